#pragma once
// CUDA for the host compiler: what nvcc includes by itself in every .cu file.
#include <cuda_runtime_api.h>
#include <vector_functions.h>
#include <flashlab/launch.h>
#include <flashlab/warp.h>
#include <flashlab/atomics.h>
#include <flashlab/math.h>
#include <flashlab/ptx.h>
