// What of the card's side only a card can answer: the simt machine, which the rest is tested on, knows no graphs.
#include "cuda/host/bench/card.hpp"
#include "cuda/host/device.cuh"

namespace flashlab::gpu {

std::string pci_bus_id() {
  char text[32] = "";
  int device = 0;
  check(cudaGetDevice(&device), "choosing a GPU");
  check(cudaDeviceGetPCIBusId(text, sizeof text, device), "asking where the GPU is");
  return text;
}

std::vector<KernelResources> kernel_resources(std::string_view slug, std::string_view without,
                                              const BenchShape& shape) {
  const KernelShape kernel_shape = shape.kernel_shape();
  if (!refusal(slug, kernel_shape, require_card()).empty()) return {};
  if (!without.empty() && !variant_refusal(kernel_shape).empty()) return {};
  // Captured into a graph, a pass is a list of its kernels, each with its launch; nothing of it runs.
  const auto floats_of = [&](std::size_t elements) { return (elements * bytes_of(shape.dtype) + 3) / 4; };
  const DeviceBuffer Q(floats_of(kernel_shape.query_elements())), O(Q.size());
  const DeviceBuffer K(floats_of(kernel_shape.key_elements())), V(K.size()), L(kernel_shape.rows());
  const auto floats = scratch_floats(slug, kernel_shape);
  const DeviceBuffer first(floats[0]), second(floats[1]);
  struct Stream {
    cudaStream_t stream = nullptr;
    Stream() { check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "creating a stream"); }
    ~Stream() { cudaStreamDestroy(stream); }
  } const s;
  check(cudaStreamBeginCapture(s.stream, cudaStreamCaptureModeRelaxed), "recording a pass");
  cudaGraph_t graph = nullptr;
  try {
    launch_stage(slug, without, kernel_shape,
                 {Q.data(), K.data(), V.data(), O.data(), L.data(), {first.data(), second.data()}}, s.stream);
  } catch (...) {
    cudaStreamEndCapture(s.stream, &graph);
    if (graph) cudaGraphDestroy(graph);
    throw;
  }
  check(cudaStreamEndCapture(s.stream, &graph), "recording a pass");
  struct Graph {
    cudaGraph_t graph;
    ~Graph() { cudaGraphDestroy(graph); }
  } const owner{graph};
  std::size_t count = 0;
  check(cudaGraphGetNodes(graph, nullptr, &count), "listing kernels");
  std::vector<cudaGraphNode_t> nodes(count);
  check(cudaGraphGetNodes(graph, nodes.data(), &count), "listing kernels");
  int warps_per_sm = 0, threads_per_sm = 0, device = 0;
  check(cudaGetDevice(&device), "choosing a GPU");
  check(cudaDeviceGetAttribute(&threads_per_sm, cudaDevAttrMaxThreadsPerMultiProcessor, device),
        "asking the GPU");
  warps_per_sm = threads_per_sm / 32;
  std::vector<KernelResources> all;
  for (const cudaGraphNode_t node : nodes) {
    cudaGraphNodeType type{};
    check(cudaGraphNodeGetType(node, &type), "listing kernels");
    if (type != cudaGraphNodeTypeKernel) continue;
    cudaKernelNodeParams launch{};
    check(cudaGraphKernelNodeGetParams(node, &launch), "asking for a kernel");
    cudaFuncAttributes attributes{};
    check(cudaFuncGetAttributes(&attributes, launch.func), "asking for a kernel's resources");
    KernelResources row;
    row.stage = slug;
    row.without = without;
    row.shape = shape;
    row.kernel = std::string(1, '?');  // no assignment: g++ 12 warns of its own library
#if CUDART_VERSION >= 12030
    const char* name = nullptr;
    if (cudaFuncGetName(&name, launch.func) == cudaSuccess && name) row.kernel = name;
#endif
    row.threads = static_cast<int>(launch.blockDim.x * launch.blockDim.y * launch.blockDim.z);
    row.registers = attributes.numRegs;
    row.local_bytes = attributes.localSizeBytes;
    row.static_shared_bytes = attributes.sharedSizeBytes;
    row.dynamic_shared_bytes = launch.sharedMemBytes;
    row.blocks = static_cast<double>(launch.gridDim.x) * launch.gridDim.y * launch.gridDim.z;
    check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&row.blocks_per_sm, launch.func, row.threads,
                                                        launch.sharedMemBytes),
          "asking for occupancy");
    row.occupancy = static_cast<double>(row.blocks_per_sm) * ((row.threads + 31) / 32) / warps_per_sm;
    all.push_back(std::move(row));
  }
  return all;
}

}  // namespace flashlab::gpu
