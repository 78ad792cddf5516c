#include "tools/firebreakctl/show/table.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "src/core/base/printable.h"

namespace firebreak::ctl {
namespace {

constexpr char kGap[] = "  ";

bool IsContinuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

size_t Width(absl::string_view printable) {
  return static_cast<size_t>(
      std::count_if(printable.begin(), printable.end(),
                    [](char c) { return !IsContinuation(c); }));
}

// At most the first `width` code points of `text`, up to a space if possible.
absl::string_view Fold(absl::string_view text, size_t width) {
  size_t end = 0;
  size_t space = 0;
  for (size_t points = 0; end < text.size(); ++end) {
    if (IsContinuation(text[end])) continue;
    if (points++ == width) break;
    if (text[end] == ' ') space = end + 1;
  }
  if (end == text.size()) return text;
  // The next line begins after the space.
  if (text[end] == ' ') return text.substr(0, end + 1);
  return text.substr(0, space > 0 ? space : end);
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
    const size_t length = core::PrintableLength(text);
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

std::string Table::Render(const Style& style) const {
  std::string out;
  std::vector<Cell> titles;
  bool has_titles = false;
  for (const Column& column : columns_) {
    titles.emplace_back(column.title, Colour::kBold);
    has_titles = has_titles || !column.title.empty();
  }
  size_t width = (sizeof(kGap) - 1) * (widths_.size() - 1);
  for (size_t each : widths_) width += each;
  if (style.width > 0 && width > style.width) {
    return RenderAsList(style, has_titles);
  }
  if (has_titles) out = Line(titles, style.colours);
  for (const std::vector<Cell>& row : rows_) out += Line(row, style.colours);
  return out;
}

std::string Table::RenderAsList(const Style& style, bool has_titles) const {
  // No terminal is narrower than that.
  const size_t width = std::max<size_t>(style.width, 10);
  size_t label_width = has_titles ? 0 : widths_[0];
  if (has_titles) {
    for (const Column& column : columns_) {
      label_width = std::max(label_width, Width(column.title));
    }
  }
  // A label that takes over half of the line gets a line of its own.
  const bool beside = label_width + sizeof(kGap) - 1 <= width / 2;
  const size_t indent = beside ? label_width + sizeof(kGap) - 1 : 2;
  std::string out;
  for (const std::vector<Cell>& row : rows_) {
    if (has_titles && !out.empty()) out += "\n";
    for (size_t i = has_titles ? 0 : 1; i < row.size(); ++i) {
      absl::string_view text = row[i].text;
      if (text.empty()) continue;
      const std::string& label = has_titles ? columns_[i].title : row[0].text;
      const absl::string_view shown = Fold(label, width);
      out += style.colours ? Painted(shown, Colour::kBold) : std::string(shown);
      size_t owed = beside ? indent - Width(shown) : 0;
      if (!beside) {
        out += "\n";
        owed = indent;
      }
      while (!text.empty()) {
        const absl::string_view part = Fold(text, width - indent);
        text.remove_prefix(part.size());
        const absl::string_view line = absl::StripTrailingAsciiWhitespace(part);
        out.append(owed, ' ');
        out += style.colours ? Painted(line, row[i].colour) : std::string(line);
        out += "\n";
        owed = indent;
      }
    }
  }
  return out;
}

std::string Table::Line(const std::vector<Cell>& cells, bool colours) const {
  std::string line;
  // Spaces are added only before further text, so no line ends with them.
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
