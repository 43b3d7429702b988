#pragma once
/// \file
/// Reads the files of cuda/measured/h100-micro: a `#` line with the card, a header, one row a case.

#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace flashlab::simt {

class MeasuredRow {
 public:
  const std::string& text(const std::string& column) const { return cells_.at(column); }
  double number(const std::string& column) const { return std::stod(text(column)); }
  int integer(const std::string& column) const { return std::stoi(text(column)); }
  /// The value of NAME in a column "NAME=VALUE NAME=VALUE …".
  int parameter(const std::string& name) const { return parameters(name).front(); }
  /// All values of "NAME=VALUE+VALUE…".
  std::vector<int> parameters(const std::string& name) const {
    const std::string& all = text("parameters");
    const std::size_t place = (" " + all).find(" " + name + "=");
    if (place == std::string::npos) throw std::runtime_error("no parameter " + name + " in " + all);
    std::istringstream list(all.substr(place + name.size() + 1));
    std::vector<int> values;
    for (int value = 0; list >> value; list.ignore(1)) {
      values.push_back(value);
      if (list.peek() != '+') break;
    }
    if (values.empty()) throw std::runtime_error("no number for " + name + " in " + all);
    return values;
  }
  std::map<std::string, std::string> cells_;
};

/// Every row of cuda/measured/h100-micro/NAME.csv; throws when there is none.
inline std::vector<MeasuredRow> measured_rows(const std::string& name) {
  std::ifstream file(FLASHLAB_SOURCE_DIR "/cuda/measured/h100-micro/" + name + ".csv");
  std::vector<MeasuredRow> rows;
  std::vector<std::string> header;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::vector<std::string> cells;
    std::istringstream stream(line);
    for (std::string cell; std::getline(stream, cell, ',');) cells.push_back(cell);
    if (header.empty()) {
      header = cells;
      continue;
    }
    if (cells.size() != header.size()) throw std::runtime_error("a torn row in " + name + ": " + line);
    MeasuredRow row;
    for (std::size_t i = 0; i < cells.size(); ++i) row.cells_[header[i]] = cells[i];
    rows.push_back(std::move(row));
  }
  if (rows.empty()) throw std::runtime_error("no measured rows in " + name);
  return rows;
}

}  // namespace flashlab::simt
