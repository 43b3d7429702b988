#pragma once
/// \file
/// The wrong and hostile submissions in the tree: what the labs must reject, and why.

#include <string>
#include <vector>

#include "sim/lab/lab.hpp"

namespace flashlab::lab {

struct Wrong {
  std::string name;    ///< "06-online-softmax/fork-bomb"
  std::string reason;  ///< words that the rejection must contain: the first line after "rejected: "
  std::string text;    ///< what is handed in
};

/// All of a lab's folder wrong/, by name. A file `.edit` is the solution with some places changed: blocks of
/// `<<<<`, old lines, `====`, new lines, `>>>>`, each of which must be found. Throws std::runtime_error when one is not, or
/// when a first line states no reason.
std::vector<Wrong> wrong_submissions(const Lab& lab);

}  // namespace flashlab::lab
