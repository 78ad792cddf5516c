// How names from outside are printed.
#include "src/core/base/printable.h"

#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace firebreak::core {
namespace {

TEST(PrintableTest, OrdinaryTextStaysAsItIs) {
  for (const std::string text :
       {"", "/shop.v1.PaymentService/Charge", "dns:///payment:443",
        "<b>\"it's\"</b> & more", "caf\xc3\xa9", "\xe2\x82\xac",
        "\xf0\x9f\x94\xa5", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_EQ(Printable(text), text);
  }
}

TEST(PrintableTest, ControlCharactersAreSpelledOut) {
  EXPECT_EQ(Printable("a\nb\r\tc"), "a\\x0ab\\x0d\\x09c");
  EXPECT_EQ(Printable(std::string("\0\x1b[2J\x7f", 6)), "\\x00\\x1b[2J\\x7f");
  // C1, which terminals obey too, and Unicode's own line ends.
  EXPECT_EQ(Printable("\xc2\x9b"), "\\xc2\\x9b");
  EXPECT_EQ(Printable("\xe2\x80\xa8"), "\\xe2\\x80\\xa8");
  EXPECT_EQ(Printable("\xc2\xa0"), "\xc2\xa0");
}

// Such characters make a name look like another one, or one line like two.
TEST(PrintableTest, WhatIsNotSeenOrTurnsTheTextIsSpelledOut) {
  EXPECT_EQ(Printable("a\xe2\x80\x8b"), "a\\xe2\\x80\\x8b");
  EXPECT_EQ(Printable("\xef\xbb\xbf/x"), "\\xef\\xbb\\xbf/x");
  for (const auto& [first, last] : {std::pair<int, int>{0x8b, 0x8f},  // U+200B
                                    {0xa8, 0xae}}) {                  // U+2028
    for (int c = first; c <= last; ++c) {
      const std::string text = {'\xe2', '\x80', static_cast<char>(c)};
      EXPECT_EQ(Printable(text).size(), 12u) << c;
    }
    for (const int c : {first - 1, last + 1}) {
      const std::string text = {'\xe2', '\x80', static_cast<char>(c)};
      EXPECT_EQ(Printable(text), text) << c;
    }
  }
  for (int c = 0xa0; c <= 0xa9; ++c) {  // U+2060
    const std::string text = {'\xe2', '\x81', static_cast<char>(c)};
    EXPECT_EQ(Printable(text).size(), 12u) << c;
  }
  EXPECT_EQ(Printable("\xe2\x81\xaa\xe2\x81\x9f\xef\xbb\xbe"),
            "\xe2\x81\xaa\xe2\x81\x9f\xef\xbb\xbe");
}

TEST(PrintableTest, WhatIsNotUtf8IsSpelledOut) {
  EXPECT_EQ(Printable("caf\xe9"), "caf\\xe9");              // Latin-1
  EXPECT_EQ(Printable("\xe2\x82"), "\\xe2\\x82");           // cut off
  EXPECT_EQ(Printable("\xe2\x41"), "\\xe2\x41");            // broken off
  EXPECT_EQ(Printable("\xc0\xaf"), "\\xc0\\xaf");           // too long
  EXPECT_EQ(Printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // a surrogate
  EXPECT_EQ(Printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
  EXPECT_EQ(Printable("\xff\xfe"), "\\xff\\xfe");
}

TEST(PrintableTest, NoTwoTextsBecomeOne) {
  EXPECT_EQ(Printable("\\x0a"), "\\\\x0a");
  std::set<std::string> seen;
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const std::string text = {static_cast<char>(a), static_cast<char>(b)};
      EXPECT_TRUE(seen.insert(Printable(text)).second) << a << " " << b;
    }
  }
}

}  // namespace
}  // namespace firebreak::core
