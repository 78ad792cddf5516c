// What is printed of names that came from outside.
#include "src/core/printable.h"

#include <set>
#include <string>

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
