#pragma once
/// \file
/// Pieces of source code by their name, as the texts show them.

#include <string>
#include <string_view>

namespace flashlab::docs {

/// The piece of `source` called `name`, without the indentation that all its lines share; ends with a newline.
///
/// - A region: what stands between two lines that hold nothing but the comment `[name]` (`// [name]` or `# [name]`).
/// - Otherwise C++ or CUDA: the whole definition of the function, kernel, class, enumeration, alias or constant `name`,
///   `Class::member` for one inside a class; or of a local `auto name = …`. `with_comment` takes the comment right above.
/// - "": all of it.
///
/// `file` is named in errors. Throws UsageError when there is no such piece, or several of that name.
std::string snippet_of(std::string_view source, std::string_view name, std::string_view file,
                       bool with_comment = false);

}  // namespace flashlab::docs
