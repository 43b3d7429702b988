// The gpu machine of a build without CUDA: every way in says how to get it.
#include "cuda/host/stage_runner.hpp"
#include "sim/core/error.hpp"

namespace flashlab::gpu {
namespace {

[[noreturn]] void not_built() {
  throw EnvironmentError(
      "this build has no gpu machine, because no CUDA compiler (nvcc) was found: install the CUDA toolkit, put "
      "its bin "
      "folder on PATH, remove build/ and build again; or take --machine simt, which runs the same kernels "
      "without a GPU");
}

}  // namespace

struct StageRunner::Buffers {};

Card require_card() { not_built(); }
int fused_max_seq(int, std::size_t) { not_built(); }
std::optional<BlockShape> block_of(std::string_view, int, int) { return std::nullopt; }
std::string refusal(std::string_view, const KernelShape&, const Card&) { not_built(); }
std::array<std::size_t, 2> scratch_floats(std::string_view, const KernelShape&) { not_built(); }
void launch_stage(std::string_view, std::string_view, const KernelShape&, const PassBuffers&, void*) {
  not_built();
}
std::vector<std::string_view> variants_of(std::string_view) { return {}; }
StageRunner::StageRunner(std::string_view, const KernelShape&, const float*, const float*, const float*, bool) {
  not_built();
}
StageRunner::~StageRunner() = default;
StageRunner::StageRunner(StageRunner&&) noexcept = default;
void StageRunner::launch() { not_built(); }
void StageRunner::wait() { not_built(); }
double StageRunner::timed_pass_ms() { not_built(); }
void StageRunner::poison() { not_built(); }
std::vector<float> StageRunner::output() const { not_built(); }
std::vector<float> StageRunner::statistics() const { not_built(); }

}  // namespace flashlab::gpu
