#pragma once
/// \file
/// The commands, after their arguments have been taken apart. Each returns an exit code and throws UsageError or
/// EnvironmentError, which main() turns into one line and exit code 2 or 3.

#include <optional>
#include <string>
#include <vector>

namespace flashlab::cli {

/// Options as they were typed; empty means not given. Numbers and names are checked by the commands.
struct ReportArguments {
  std::vector<std::string> stages;  ///< slugs; empty: all
  std::string batch, heads, seq, dim, dtype;
  std::string kv_heads;  ///< run: heads of K and V
  bool causal = false;
  std::string q, k, v, input;  ///< files
  std::string seed;
  bool count_only = false;
  std::string device, sram, tile_rows, tile_cols, register_tile;
  std::string preset, sweep;
  std::string machine = "tile";
  std::string out;  ///< run: where to write O
  std::string format = "table", color = "auto";
};

struct MeasureArguments {
  std::vector<std::string> stages;
  std::string from;      ///< a folder that cuda/measure.sh wrote
  std::string measured;  ///< where measurement files lie; empty: the tree's
  bool saved = false;    ///< compare what is there, measure nothing
  bool quick = false;    ///< the smallest shape alone
  bool card = false;     ///< what was measured alone, nothing simulated
  std::string seq;       ///< this N alone
  std::string
      device;  ///< whose counters, "h100" or a card's folder; empty: the card just measured, or the one that is kept
  bool keep = false;     ///< keep what was simulated beside the measurements
  bool rest = false;     ///< with keep: only what is not kept yet
  bool kept = false;     ///< simulate nothing: show what was kept
  bool replays = false;  ///< simulate nothing: show where the card repeats accesses of shared memory
  std::string format = "table";
};

struct DocsArguments {
  std::vector<std::string> only;  ///< pages and folders; empty: all
  std::string folder = ".";       ///< the source tree
  bool check = false;             ///< change nothing
  bool slow = false;              ///< what is marked slow too
  bool times = false;             ///< how long each command took, on stderr
};

struct BenchArguments {
  std::vector<std::string> stages;
  std::vector<std::string> shapes;  ///< BATCHxHEADSxKVHEADSxNxD
  std::vector<std::string> seq, dim, dtype;
  std::string tokens = "16K", hidden = "2K", kv_heads;
  bool causal = false, full = false;  ///< neither: both
  std::string runs = "30", rounds = "5", seconds = "3";
  bool ablate = false;
  std::string peers = "auto";
  std::vector<std::string> against;  ///< peers to divide by
  bool saved = false;
  std::vector<std::string> from;  ///< files to show instead of measuring; merged
  std::string measured;           ///< where saved runs lie; empty: the tree's
  bool save = false, ladder = false, brief = false;
  std::string out, svg;
  std::string format = "table";
};

struct ResourcesArguments {
  std::vector<std::string> stages, dim;
  std::string format = "table";
};

int bench_command(const BenchArguments& arguments);
int resources_command(const ResourcesArguments& arguments);
int measure_command(const MeasureArguments& arguments);
int report_command(const ReportArguments& arguments);
int run_command(const ReportArguments& arguments);
int devices_command(const std::string& format);
int doctor_command(const std::string& format, const std::string& color);
/// Brings what the texts show up to date; with `check` only says what differs (code 1).
int docs_command(const DocsArguments& arguments);
/// Prints a figure of the book as SVG; without a name, their list.
int figure_command(const std::string& name);

/// Writes to stdout and flushes; EnvironmentError when that fails (a full disk).
void print(const std::string& text);
/// Whether to colour stdout: --color, then NO_COLOR, FORCE_COLOR, then whether it is a terminal.
bool use_color(const std::string& option);

}  // namespace flashlab::cli
