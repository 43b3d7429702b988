#pragma once
/// \file
/// The page's script and style, bundled from sim/view/page when Flashlab is built.

#include <filesystem>
#include <string>

namespace flashlab::view {

struct Assets {
  std::string script, style;
};

/// The folder with view.js, view.css and charts.mjs: the one that the environment variable FLASHLAB_VIEW names, and only
/// that if it is set; else share/flashlab/view beside the program's bin folder.
/// EnvironmentError, with the remedy, when it is not there.
std::filesystem::path assets_folder();
Assets load_assets();

}  // namespace flashlab::view
