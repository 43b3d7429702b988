#include "sim/lab/contain.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fcntl.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <vector>

using namespace flashlab::lab;

namespace {
Outcome run(std::function<int()> body, Limits limits = {}, std::string input = {}) {
  return run_contained({Contained{.body = std::move(body), .input = std::move(input), .limits = limits}}, {})
      .front();
}
}  // namespace

TEST_CASE("a contained function gets its input and gives back result, words and code") {
  const Outcome o = run(
      [] {
        char text[8] = {};
        const ssize_t n = read(3, text, sizeof text);
        std::fputs("said", stdout);
        return write(4, text, static_cast<std::size_t>(n)) == n ? 5 : 6;
      },
      {}, "hello");
  CHECK(o.exit_code == 5);
  CHECK(o.result == "hello");
  CHECK(o.printed == "said");
}

TEST_CASE("what does not end is ended, with what it started") {
  const Outcome o = run(
      [] {
        if (fork() == 0) {
          for (;;) pause();
        }
        for (;;) pause();
        return 0;
      },
      {.wall_s = 0.3, .may_start_processes = true});
  CHECK(o.out_of_time);
  CHECK(o.wall_s < 5);
  CHECK(how_it_ended(o, {.wall_s = 0.3}) == "it ran longer than 0.3 s and was stopped");
}

TEST_CASE("memory, results and words have bounds") {
  CHECK(run(
            [] {
              for (std::vector<std::vector<char>> all;;) all.emplace_back(std::size_t{8} << 20, 'x');
              return 0;
            },
            {.resident_bytes = std::uint64_t{64} << 20})
            .out_of_memory);
  const auto shout = [] {
    const std::vector<char> block(1 << 16, 'x');
    for (int i = 0; i < 64; ++i) {
      if (write(1, block.data(), block.size()) < 0) return 1;
    }
    for (int i = 0; i < 64; ++i) {
      if (write(4, block.data(), block.size()) < 0) return 1;
    }
    return 0;
  };
  const Outcome o = run(shout, {.printed_bytes = 1000, .result_bytes = 100'000});
  CHECK(o.printed.size() == 1000);
  CHECK(o.too_much_result);
  CHECK(o.result.size() <= 100'000);
}

TEST_CASE("a contained process writes no files and sees no descriptors of ours") {
  const int before = fcntl(1, F_DUPFD, 50);  // above what the process is given
  const Outcome o = run([before] {
    std::signal(SIGXFSZ, SIG_IGN);
    if (write(before, "x", 1) >= 0) return 1;  // closed
    std::FILE* file = std::tmpfile();
    if (file == nullptr) return 0;
    return std::fputs("x", file) >= 0 && std::fflush(file) == 0 ? 2 : 0;
  });
  close(before);
  CHECK(o.exit_code == 0);
}

TEST_CASE("jobs run several at a time and answer in their order") {
  std::vector<Contained> jobs;
  for (int i = 0; i < 7; ++i) {
    jobs.push_back({.body = [i] {
      usleep(static_cast<useconds_t>((7 - i) * 2000));
      return i;
    }});
  }
  const auto outcomes = run_contained(jobs, {.at_once = 3});
  for (int i = 0; i < 7; ++i) CHECK(outcomes[static_cast<std::size_t>(i)].exit_code == i);
}
