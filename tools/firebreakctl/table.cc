#include "tools/firebreakctl/table.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"

namespace firebreak::ctl {
namespace {

constexpr char kGap[] = "  ";

bool IsContinuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

// The length in bytes of the code point that `text` begins with, 0 if that is
// no UTF-8 or not printable.
size_t PrintableLength(absl::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return first >= 0x20 && first != 0x7F ? 1 : 0;
  const size_t length = first >= 0xF0 && first < 0xF5   ? 4
                        : first >= 0xE0 && first < 0xF0 ? 3
                        : first >= 0xC2 && first < 0xE0 ? 2
                                                        : 0;
  if (length == 0 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (!IsContinuation(text[i])) return 0;
  }
  // U+0080 to U+009F command some terminals.
  if (first == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0) return 0;
  return length;
}

size_t Width(absl::string_view printable) {
  return static_cast<size_t>(
      std::count_if(printable.begin(), printable.end(),
                    [](char c) { return !IsContinuation(c); }));
}

absl::string_view Code(Colour colour) {
  switch (colour) {
    case Colour::kNone:
      return "";
    case Colour::kBold:
      return "\033[1m";
    case Colour::kDim:
      return "\033[2m";
    case Colour::kRed:
      return "\033[31m";
    case Colour::kGreen:
      return "\033[32m";
    case Colour::kYellow:
      return "\033[33m";
    case Colour::kMagenta:
      return "\033[35m";
  }
  return "";
}

}  // namespace

std::string Printable(absl::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t length = PrintableLength(text);
    if (length == 0) {
      out.push_back('?');
      text.remove_prefix(1);
      continue;
    }
    absl::StrAppend(&out, text.substr(0, length));
    text.remove_prefix(length);
  }
  return out;
}

std::string Painted(absl::string_view text, Colour colour) {
  if (colour == Colour::kNone || text.empty()) return std::string(text);
  return absl::StrCat(Code(colour), text, "\033[0m");
}

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {
  for (const Column& column : columns_) {
    widths_.push_back(Width(column.title));
  }
}

void Table::AddRow(std::vector<Cell> cells) {
  cells.resize(columns_.size(), Cell(""));
  for (size_t i = 0; i < cells.size(); ++i) {
    cells[i].text = Printable(cells[i].text);
    widths_[i] = std::max(widths_[i], Width(cells[i].text));
  }
  rows_.push_back(std::move(cells));
}

std::string Table::Render(bool colours) const {
  std::string out;
  std::vector<Cell> titles;
  bool has_titles = false;
  for (const Column& column : columns_) {
    titles.emplace_back(column.title, Colour::kBold);
    has_titles = has_titles || !column.title.empty();
  }
  if (has_titles) out = Line(titles, colours);
  for (const std::vector<Cell>& row : rows_) out += Line(row, colours);
  return out;
}

std::string Table::Line(const std::vector<Cell>& cells, bool colours) const {
  std::string line;
  // Spaces are owed, and paid when something follows: none end a line.
  size_t owed = 0;
  for (size_t i = 0; i < cells.size(); ++i) {
    const Cell& cell = cells[i];
    if (i > 0) owed += sizeof(kGap) - 1;
    const size_t fill = widths_[i] - Width(cell.text);
    if (columns_[i].align == Align::kRight) owed += fill;
    if (!cell.text.empty()) {
      line.append(owed, ' ');
      owed = 0;
      line += colours ? Painted(cell.text, cell.colour) : cell.text;
    }
    if (columns_[i].align == Align::kLeft) owed += fill;
  }
  return line + "\n";
}

}  // namespace firebreak::ctl
