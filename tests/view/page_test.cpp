// The page as a file: what it carries, that it asks for nothing, that hostile text stays text.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "sim/view/html.hpp"
#include "sim/view/page.hpp"

using namespace flashlab;
using Json = nlohmann::json;

namespace {

view::StagePage small_page() {
  const Problem p{.heads = 2, .seq = 100, .dim = 16};
  const tile::RunOptions options{.sram_bytes = 8 * 1024};
  report::Request request{.problem = p, .device = devices()[0], .options = options};
  for (const StageInfo& stage : stages()) request.stages.push_back(&stage);
  view::StagePage page{.report = report::make_report(request)};
  page.films.push_back(view::make_film(stage_from_slug("online-q"), p, options, nullptr, 0));
  return page;
}

}  // namespace

TEST_SUITE_BEGIN("view");

TEST_CASE("base64 is that of RFC 4648") {
  const auto of = [](std::string_view text) {
    return view::base64({reinterpret_cast<const unsigned char*>(text.data()), text.size()});
  };
  CHECK(of("") == "");
  CHECK(of("f") == "Zg==");
  CHECK(of("fo") == "Zm8=");
  CHECK(of("foobar") == "Zm9vYmFy");
  CHECK(of("\xff\xfe\xfd") == "//79");
}

TEST_CASE("the page's data are the report's JSON, byte for byte the same numbers") {
  const view::StagePage page = small_page();
  const Json json = Json::parse(view::stage_json(page));
  CHECK(json["schema"] == "flashlab.view/1");
  CHECK(json["report"] == Json::parse(report::to_json(page.report)));
  CHECK(json["films"][0]["source"].get<std::string>().find("void online_q") != std::string::npos);
  CHECK(json["devices"].size() >= devices().size());
}

TEST_CASE("a page asks for nothing, and without a script shows picture and numbers") {
  const std::string html = view::stage_page(small_page(), {"let script;", "body{}"});
  CHECK(html.starts_with("<!doctype html>"));
  CHECK(html.find("default-src 'none'") != std::string::npos);
  for (const char* fetched : {" src=", "@import", "<link", "<iframe", "<img"}) {
    CAPTURE(fetched);
    CHECK(html.find(fetched) == std::string::npos);
  }
  const std::size_t from = html.find("<noscript>"), to = html.find("</noscript>");
  REQUIRE(from != std::string::npos);
  const std::string still = html.substr(from, to - from);
  CHECK(still.find("<svg") != std::string::npos);
  for (const StageInfo& stage : stages()) CHECK(still.find(std::string(stage.slug)) != std::string::npos);
}

TEST_CASE("text that looks like markup stays text") {
  CHECK(view::escaped("<b> & \"x\"") == "&lt;b&gt; &amp; &quot;x&quot;");
  const std::string html = view::html_page(
      {.title = "</title><script>", .summary = "<i>", .without_script = "", .json = R"({"a":"</script><!--"})"},
      {"", ""});
  CHECK(html.find("</title><script>") == std::string::npos);
  CHECK(html.find(R"({"a":"\u003c/script>\u003c!--"})") != std::string::npos);
}

TEST_SUITE_END();
