#pragma once
/// \file
/// `flashlab profile FILE.cu [-- args]`: any self-contained CUDA program, unmodified, on the simt machine.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "sim/simt/checks.hpp"
#include "sim/simt/counters.hpp"

namespace flashlab::simt {

struct ProfileOptions {
  std::filesystem::path source;        ///< the .cu file
  std::vector<std::string> arguments;  ///< of the program
  std::vector<std::string> flags;      ///< -I, -D, for the compiler
  enum class Format { table, csv, json } format = Format::table;
  bool lines = false;           ///< also the counters of each source line
  bool by_instruction = false;  ///< the sample and caches of a ProfiledSite too
  bool checks = true;           ///< races and unwritten reads; bounds and barriers are always looked at
  int processors = 0;           ///< OS threads; 0: one a core
  int launches = 0;             ///< the program ends after so many; 0: it runs to its end
  /// The card whose caches the launches are replayed through, each from cold caches, and which the program sees:
  /// t4, a100, h100, h200; "none": no caches, and the program sees an H100.
  std::string card = "h100";
  /// A thread's registers, for how many blocks an SM holds; a CPU compiler cannot know what ptxas would take.
  int registers_per_thread = 32;
  std::filesystem::path
      cache_dir;  ///< of compiled programs; empty: $XDG_CACHE_HOME/flashlab or ~/.cache/flashlab
};

/// Where the sectors of an instruction on global memory were found; loads alone hit.
struct SiteCaches {
  std::uint64_t sectors = 0, l1_hits = 0, l2_hits = 0, hbm_sectors = 0;
};

struct ProfiledSite {
  SourceLine line;
  SiteCounters counters;
  std::optional<SiteCaches> caches;  ///< with ProfileOptions::by_instruction and a card
};

struct ProfiledLaunch {
  std::string kernel;
  std::uint64_t number = 0;
  Dim3 grid, block;
  std::uint32_t dynamic_shared_bytes = 0, static_shared_bytes = 0;
  struct Value {
    std::string name, unit;
    std::uint64_t value = 0;
  };
  struct CacheValue {
    std::string name, unit;
    double value = 0;
  };
  std::vector<Value> metrics;      ///< with the hardware's names: counted
  std::vector<CacheValue> caches;  ///< the same from the replay: modelled; empty without a card
  int blocks_per_sm = 0;           ///< resident at once, with `caches`
  std::string limited_by;          ///< what keeps it from holding more
  std::string no_caches;           ///< why there are none, when a card was named
  std::vector<ProfiledSite> sites;
  std::vector<std::string> advice;  ///< "line 42: 32 sectors a request, 4 would do: …"

  std::uint64_t metric(std::string_view name) const;  ///< 0 when there is none of that name
};

struct ProfiledFinding {
  std::string kind, kernel, text;  ///< text: the whole paragraph
  SourceLine line;
  int other_line = 0;
  bool fatal = false;
};

struct Profile {
  int exit_code = 0;   ///< of the program
  std::string output;  ///< what it printed
  std::vector<ProfiledLaunch> launches;
  std::vector<ProfiledFinding> findings;
};

/// Compiles (or takes from the cache) and runs. Throws UsageError for a program that does not compile and for an unknown
/// card; EnvironmentError for what the machine cannot run, by line, and when a compiler or a folder is missing.
Profile profile(const ProfileOptions& options);

/// What a beginner can do about each access that moves more than it needs, worst first.
std::vector<std::string> advice(const ProfiledLaunch& launch);

/// The profile as text in the asked format.
std::string format_profile(const Profile& profile, const ProfileOptions& options);

/// Runs, prints the program's output to stderr and the profile to stdout. 0, or 1 when something was found or the program
/// failed. Throws as profile() does.
int profile_main(const ProfileOptions& options);

}  // namespace flashlab::simt
