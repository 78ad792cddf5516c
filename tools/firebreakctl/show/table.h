// Text in columns, for a terminal.
//
//   Table table({{"METHOD"}, {"CALLS", Table::Align::kRight}});
//   table.AddRow({{"/shop.v1.PaymentService/Charge"}, {"1204"}});
//   std::cout << table.Render(/*colours=*/false);
//
//   METHOD                          CALLS
//   /shop.v1.PaymentService/Charge   1204
//
// A table whose titles are all empty has no title line. Texts come from a
// server, so characters that are not printable are shown as '?': they can
// neither break a line nor control the terminal. Width is counted in code
// points.
//
// A table that is wider than the terminal becomes a list with one cell per
// line, in which long text is folded:
//
//   METHOD  /shop.v1.Pay
//           mentService/
//           Charge
//   CALLS   1204
//
// Thread safety: none; a value.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_SHOW_TABLE_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_SHOW_TABLE_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace firebreak::ctl {

enum class Colour { kNone, kBold, kDim, kRed, kGreen, kYellow, kMagenta };

// How to print, and for what kind of terminal.
struct Style {
  Style(bool with_colours = false, size_t columns = 0,  // NOLINT: "false"
        bool is_utf8 = false)
      : colours(with_colours), width(columns), utf8(is_utf8) {}
  bool colours;
  size_t width;  // 0 = no limit
  bool utf8;     // may print characters beyond ASCII
};

// `text` without line breaks, control characters and bytes that are not UTF-8.
std::string Printable(absl::string_view text);

// `text` with the escape codes for that colour.
std::string Painted(absl::string_view text, Colour colour);

class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    Column(std::string t, Align a = Align::kLeft)  // NOLINT: "{{"A"}, {"B"}}"
        : title(std::move(t)), align(a) {}
    std::string title;
    Align align;
  };
  struct Cell {
    Cell(std::string t, Colour c = Colour::kNone)  // NOLINT: as above
        : text(std::move(t)), colour(c) {}
    std::string text;
    Colour colour;
  };

  explicit Table(std::vector<Column> columns);

  // Missing cells are empty; excess cells are left out.
  void AddRow(std::vector<Cell> cells);
  bool empty() const { return rows_.empty(); }

  // Every line ends with a line break, without spaces before it.
  std::string Render(const Style& style) const;

 private:
  std::string Line(const std::vector<Cell>& cells, bool colours) const;
  std::string RenderAsList(const Style& style, bool has_titles) const;

  std::vector<Column> columns_;
  std::vector<size_t> widths_;
  std::vector<std::vector<Cell>> rows_;
};

inline constexpr auto kRight = Table::Align::kRight;

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_SHOW_TABLE_H_
