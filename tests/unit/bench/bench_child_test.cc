// A bench notices and reports if one of its processes ends too early.
#include <signal.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/bench/overhead/child.h"

namespace firebreak::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(BenchChildTest, OneThatDoesWhatItShall) {
  Child cat({"cat"});
  cat.WriteLine("eight bytes");
  EXPECT_EQ(cat.ReadLine(), "eight bytes");
  cat.WriteLine("1234567");
  EXPECT_EQ(cat.ReadValues(1).size(), 1u);
  EXPECT_TRUE(cat.Wait().ok());
  EXPECT_TRUE(cat.Wait().ok());
  EXPECT_THAT(std::string(cat.WhyGone().message()),
              HasSubstr("`cat` ended before it had said everything"));
}

TEST(BenchChildTest, OneThatIsKilledDoesNotTakeUsWithIt) {
  Child child({"sh", "-c", "kill -SEGV $$"});
  EXPECT_EQ(child.ReadLine(), "");
  // Its end of the pipe is closed.
  for (int i = 0; i < 100; ++i) child.WriteLine("calls 100");
  EXPECT_THAT(child.ReadValues(4), IsEmpty());
  EXPECT_EQ(child.WhyGone().message(),
            "`-c kill -SEGV $$` was killed by signal 11 (Segmentation fault)");
}

TEST(BenchChildTest, OneThatGivesUp) {
  Child child({"sh", "-c", "exit 3"});
  EXPECT_EQ(child.ReadLine(), "");
  EXPECT_EQ(child.Wait().message(), "`-c exit 3` ended with exit status 3");
}

TEST(BenchChildTest, OneThatIsNotThere) {
  Child child({"/no/such/program", "worker"});
  child.WriteLine("calls 100");
  EXPECT_EQ(child.ReadLine(), "");
  EXPECT_EQ(child.WhyGone().message(), "`worker` could not be started");
}

// A child that writes to its parent after the parent's end must end, too.
TEST(BenchChildTest, SigpipeIsOursToIgnoreAndNotTheirs) {
  Child child({"sh", "-c", "kill -PIPE $$"});
  EXPECT_THAT(std::string(child.Wait().message()),
              HasSubstr(absl::StrCat("signal ", SIGPIPE)));
}

}  // namespace
}  // namespace firebreak::bench
