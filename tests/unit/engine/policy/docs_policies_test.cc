// The policies in README.md, in the pages of docs and in the examples: each one
// compiles when it is pasted, and the lint finds nothing in it.
//
// A block that begins with ```textproto is a policy or, if its first word is
// neither `method` nor `channel`, the body of an entry. ```textproto risky is a
// policy that the page warns of: the lint must find something in it. ```json is
// a policy or a service config.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/engine/policy/lint.h"
#include "src/engine/policy/policy.h"

namespace firebreak::engine {
namespace {

namespace fs = std::filesystem;

struct Block {
  std::string where;  // "policy.md:27"
  std::string kind;   // the text after ```
  std::string text;
};

std::vector<fs::path> Pages() {
  const fs::path root = SOURCE_PATH;
  std::vector<fs::path> pages = {root / "README.md"};
  for (const auto& entry : fs::directory_iterator(root / "docs")) {
    if (entry.path().extension() == ".md") pages.push_back(entry.path());
  }
  for (const auto& entry :
       fs::recursive_directory_iterator(root / "examples")) {
    if (entry.path().extension() == ".md") pages.push_back(entry.path());
  }
  std::sort(pages.begin(), pages.end());
  return pages;
}

std::vector<Block> BlocksOf(const fs::path& page) {
  std::ifstream in(page);
  EXPECT_TRUE(in.is_open()) << page;
  std::vector<Block> blocks;
  bool is_inside = false;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    absl::string_view text = line;
    if (!absl::StartsWith(absl::StripLeadingAsciiWhitespace(text), "```")) {
      if (is_inside) absl::StrAppend(&blocks.back().text, line, "\n");
      continue;
    }
    text = absl::StripLeadingAsciiWhitespace(text);
    if (!is_inside) {
      blocks.push_back({absl::StrCat(page.filename().string(), ":", number),
                        std::string(absl::StripPrefix(text, "```")), ""});
    }
    is_inside = !is_inside;
  }
  EXPECT_FALSE(is_inside) << page << " ends inside of a block";
  return blocks;
}

// Returns the first word outside of comments.
std::string FirstWord(const std::string& text) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#') continue;
    return std::string(line.substr(0, line.find_first_of(" {:")));
  }
  return "";
}

std::string AsPolicy(const std::string& text) {
  const std::string first = FirstWord(text);
  if (first == "method" || first == "channel") return text;
  // The entry begins on the block's first line, so that the line numbers of
  // errors are right.
  return absl::StrCat(R"(method { name { service: "shop.v1.PaymentService" } )",
                      text, "}");
}

std::string Describe(const std::vector<LintFinding>& findings) {
  std::string out;
  for (const LintFinding& finding : findings) {
    absl::StrAppend(&out, finding.where, ": ", finding.problem, "\n");
  }
  return out;
}

TEST(DocsPoliciesTest, EveryPolicyOfThePagesCompilesAndIsSound) {
  int policies = 0;
  int in_readme = 0;
  int risky = 0;
  for (const fs::path& page : Pages()) {
    for (const Block& block : BlocksOf(page)) {
      const bool is_risky = block.kind == "textproto risky";
      const bool is_json = block.kind == "json";
      if (!absl::StartsWith(block.kind, "textproto") && !is_json) continue;
      EXPECT_TRUE(block.kind == "textproto" || is_risky || is_json)
          << block.where << ": unknown kind of block: " << block.kind;
      const absl::StatusOr<PolicyTable> table = ParsePolicyText(
          is_json ? block.text : AsPolicy(block.text), block.where);
      ASSERT_TRUE(table.ok()) << table.status() << "\n" << block.text;
      ++policies;
      if (absl::StartsWith(block.where, "README.md")) ++in_readme;
      // A service config cannot say whether a method is idempotent.
      if (absl::StrContains(block.text, "methodConfig")) continue;
      const std::string findings = Describe(Lint(*table));
      if (is_risky) ++risky;
      EXPECT_EQ(!findings.empty(), is_risky) << block.where << "\n" << findings;
    }
  }
  EXPECT_GE(policies, 12);
  EXPECT_GE(in_readme, 1);
  EXPECT_GE(risky, 1);
}

TEST(DocsPoliciesTest, EveryPolicyOfTheExamplesIsSound) {
  int policies = 0;
  for (const auto& entry :
       fs::recursive_directory_iterator(fs::path(SOURCE_PATH) / "examples")) {
    if (entry.path().extension() != ".textproto") continue;
    ++policies;
    std::ifstream in(entry.path());
    std::ostringstream text;
    text << in.rdbuf();
    const absl::StatusOr<PolicyTable> table =
        ParsePolicyText(text.str(), entry.path().string());
    ASSERT_TRUE(table.ok()) << table.status();
    EXPECT_EQ(Describe(Lint(*table)), "") << entry.path();
  }
  EXPECT_GE(policies, 3);
}

}  // namespace
}  // namespace firebreak::engine
