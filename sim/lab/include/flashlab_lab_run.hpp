#pragma once
// What Run answers in the program of the simt machine and in that of a card alike: included by each behind its `state()`
// (job, result, buffers, scratch) and its `give_up(why)`, in the namespace flashlab_lab. fetch() is each one's own.

long long Run::number(int i) const {
  const auto& numbers = state().job.numbers;
  if (i < 0 || static_cast<std::size_t>(i) >= numbers.size()) give_up("asks for a number that the job lacks");
  return numbers[static_cast<std::size_t>(i)];
}
float* Run::buffer(int i) const {
  const auto& buffers = state().buffers;
  if (i < 0 || static_cast<std::size_t>(i) >= buffers.size()) give_up("asks for a buffer that the job lacks");
  return buffers[static_cast<std::size_t>(i)];
}
long long* Run::scratch() const { return state().scratch; }
void Run::answer(long long value) { state().result.answers.push_back(value); }
void Run::check(cudaError_t error) {
  if (state().result.cuda_error == 0) state().result.cuda_error = error;
}
