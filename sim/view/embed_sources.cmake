# cmake -DOUT=stage_sources.cpp -DFOLDER=sim/tile/stages -P embed_sources.cmake: the stage programs as C++ strings.
set(text "#include \"sim/view/stage_sources.hpp\"\n\nnamespace flashlab::view {\n\n")
string(APPEND text "const std::array<std::pair<std::string_view, std::string_view>, 5> kStageSources{{\n")
foreach(name naive fused tiled online_kv online_q)
  # A semicolon is CMake's own separator, but not within one quoted argument.
  file(READ "${FOLDER}/${name}.cpp" source)
  string(REPLACE "_" "-" slug ${name})
  string(APPEND text "{\"${slug}\", R\"flashlab(${source})flashlab\"},\n")
endforeach()
string(APPEND text "}};\n\n}  // namespace flashlab::view\n")
file(WRITE "${OUT}" "${text}")
