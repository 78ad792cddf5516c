// Completion of firebreakctl's command line in bash.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/support/admin_fixture.h"
#include "tests/support/firebreakctl.h"

namespace firebreak::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CompletionTest : public ::testing::Test {
 protected:
  CompletionTest() { f_.Bind("payment", "", kCharge); }

  // Returns the completions that bash gets after `line`, one per line.
  std::string Complete(const std::string& line,
                       const std::string& environment) {
    const std::string stem = NewStem();
    const std::string script = stem + ".sh";
    std::ofstream(script) << "source <('" << FIREBREAKCTL_PATH
                          << "' completion bash)\n"
                          << "COMP_WORDS=(" << Words(line) << ")\n"
                          << "COMP_LINE='" << FIREBREAKCTL_PATH << " " << line
                          << "'\n"
                          << "COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
                          << "_firebreakctl\n"
                          << "printf '%s\\n' \"${COMPREPLY[@]}\"\n";
    const Output output =
        RunShell(stem, environment, "bash -u '" + script + "'");
    for (const char* end : {".sh", ".out", ".err"}) {
      unlink((stem + end).c_str());
    }
    EXPECT_THAT(output.err, IsEmpty()) << line;
    return output.out;
  }
  std::string Complete(const std::string& line) {
    return Complete(line, "FIREBREAK_TARGET=" + f_.address());
  }

  AdminFixture f_;

 private:
  // Splits `line` into words as bash does: at spaces, and around ":" and "=",
  // which are words themselves.
  static std::string Words(const std::string& line) {
    std::string words = absl::StrCat("'", FIREBREAKCTL_PATH, "'");
    for (const std::string& each :
         std::vector<std::string>(absl::StrSplit(line, ' '))) {
      std::string word;
      for (const char c : each) {
        if (c == ':' || c == '=') {
          if (!word.empty()) absl::StrAppend(&words, " '", word, "'");
          absl::StrAppend(&words, " '", std::string(1, c), "'");
          word.clear();
        } else {
          word += c;
        }
      }
      if (!word.empty() || each.empty()) {
        absl::StrAppend(&words, " '", word, "'");
      }
    }
    return words;
  }
};

TEST_F(CompletionTest, CommandsOptionsAndMethods) {
  EXPECT_EQ(Complete("ov"), "override\n");
  EXPECT_THAT(Complete(""), AllOf(HasSubstr("list\n"), HasSubstr("policy\n"),
                                  HasSubstr("completion\n")));
  EXPECT_EQ(Complete("show Char"), absl::StrCat(kCharge, "\n"));
  EXPECT_EQ(Complete("reset /shop"), absl::StrCat(kCharge, "\n"));
  EXPECT_EQ(Complete("override Charge o"), "open\n");
  EXPECT_EQ(Complete("events --fo"), "--follow\n");
  EXPECT_EQ(Complete("--tok"), "--token-file\n");
  EXPECT_THAT(Complete("list -"), HasSubstr("--names\n"));
  EXPECT_EQ(Complete("policy "),
            "get\nlint\ndiff\napply\nhistory\nrollback\nshadow\ncompare\n"
            "promote\n");
  EXPECT_EQ(Complete("policy apply --fo"), "--force\n");
  EXPECT_EQ(Complete("policy compare Char"), absl::StrCat(kCharge, "\n"));
  EXPECT_EQ(Complete("policy rollback --t"),
            "--target\n--timeout\n--tls\n"
            "--to\n--token-file\n");
  // The value of an option is not taken for the command.
  EXPECT_EQ(Complete("--engine list sho"), "show\n");
  EXPECT_EQ(Complete("override --reason why Char"),
            absl::StrCat(kCharge, "\n"));
  EXPECT_EQ(Complete("completion "), "bash\nzsh\nfish\n");
  EXPECT_EQ(Complete("list --target "), "\n");
}

TEST_F(CompletionTest, AsksTheServerThatWasNamed) {
  const std::string nobody = "FIREBREAK_TARGET=unix:/nowhere";
  const std::string charge = absl::StrCat(kCharge, "\n");
  EXPECT_EQ(Complete("show Char", nobody), "\n");
  // This works although bash splits addresses at ":".
  const std::string unix_target = "--target " + f_.address();
  EXPECT_EQ(Complete("show " + unix_target + " Char", nobody), charge);
  EXPECT_EQ(Complete(unix_target + " show Char", nobody), charge);
  EXPECT_EQ(Complete("show --target=" + f_.address() + " Char", nobody),
            charge);
  EXPECT_EQ(
      Complete("override --channel payment " + unix_target + " Ch", nobody),
      charge);
  AdminFixture tcp({}, "127.0.0.1:0");
  tcp.Bind("payment", "", kRefund);
  EXPECT_EQ(Complete("show --target " + tcp.address() + " ", nobody),
            absl::StrCat(kRefund, "\n"));
  EXPECT_EQ(
      Complete("override --target " + tcp.address() + " Refund cl", nobody),
      "closed\n");
}

TEST_F(CompletionTest, AsksAsItWasToldTo) {
  AdminOptions options;
  options.authorize_reads = true;
  const auto tokens = Tokens({{"alice", "correct-horse-battery-staple"}});
  ASSERT_TRUE(tokens.ok());
  options.authorizer = *tokens;
  AdminFixture guarded(options);
  guarded.Bind("payment", "", kCharge);
  const std::string file = NewStem();
  std::ofstream(file) << "correct-horse-battery-staple";
  const std::string target = "--target " + guarded.address();
  EXPECT_EQ(Complete("show " + target + " Char"), "\n");
  EXPECT_EQ(Complete("show " + target + " --token-file " + file + " Char"),
            absl::StrCat(kCharge, "\n"));
  EXPECT_EQ(Complete("show --token-file=" + file + " " + target + " Char"),
            absl::StrCat(kCharge, "\n"));
  unlink(file.c_str());
}

TEST_F(CompletionTest, NamesOfFiles) {
  const std::string file = NewStem() + "-policy $(reboot).textproto";
  std::ofstream(file) << "";
  const std::string begin = file.substr(0, file.find(' '));
  for (const char* words :
       {"policy apply ", "policy lint ", "policy --tls diff ", "list --ca ",
        "list --token-file=", "--key "}) {
    EXPECT_EQ(Complete(words + begin), file + "\n") << words;
  }
  unlink(file.c_str());
}

// Types the line on a terminal.
TEST_F(CompletionTest, AnInteractiveBashQuotesWhatItCompletes) {
  const std::string stem = NewStem();
  const std::string file = stem + "-policy $(touch x).textproto";
  std::ofstream(file) << "";
  std::ofstream(stem + ".sh")
      << "PS1=; source <('" << FIREBREAKCTL_PATH << "' completion bash)\n"
      << "firebreakctl() { printf '<%s>\\n' \"$@\" >'" << stem << ".said'; }\n";
  std::ofstream(stem + ".keys")
      << "firebreakctl policy apply " << stem << "-policy\t\nexit\n";
  const Output output =
      RunShell(stem, "TERM=dumb INPUTRC=/dev/null",
               absl::StrCat("sh -c \"script -qec 'bash --noprofile --rcfile ",
                            stem, ".sh -i' /dev/null <", stem, ".keys\""));
  const std::string said = ReadFile(stem + ".said");
  for (const char* end : {".sh", ".keys", ".said", ".out", ".err",
                          "-policy $(touch x).textproto"}) {
    unlink((stem + end).c_str());
  }
  if (output.exit_code == 127) GTEST_SKIP() << "no script(1) here";
  EXPECT_EQ(said, absl::StrCat("<policy>\n<apply>\n<", file, ">\n"))
      << output.out << output.err;
}

}  // namespace
}  // namespace firebreak::testing
