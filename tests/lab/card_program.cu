// Compiled, not run: a lab's harness and solution as `flashlab lab check --machine gpu` puts them together for nvcc.
#include "chapters/03-naive/lab/harness.cu"
#include "flashlab_lab_card.cuh"
