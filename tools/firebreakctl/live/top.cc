#include "tools/firebreakctl/live/top.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/firebreakctl/live/fleet.h"

namespace firebreak::ctl {
namespace {

using Clock = std::chrono::steady_clock;

// A signal handler may only write to such a variable.
volatile std::sig_atomic_t interrupted = 0;
void Interrupt(int) { interrupted = 1; }

// Sets the terminal up for reading keys, and restores it at the end.
class Screen {
 public:
  Screen() {
    tcgetattr(STDIN_FILENO, &before_);
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    std::cout << "\033[?1049h\033[?25l" << std::flush;
  }
  ~Screen() {
    std::cout << "\033[?25h\033[?1049l" << std::flush;
    tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  static void Show(const std::string& frame) {
    std::string out = "\033[H";
    for (const char c : frame) {
      if (c == '\n') out += "\033[K";
      out += c;
    }
    std::cout << out << "\033[J" << std::flush;
  }

 private:
  termios before_{};
};

// What the user has set with keys.
struct View {
  TopOptions options;
  size_t first = 0;
  bool is_typing = false;  // a filter is being typed
  bool ends = false;
};

void Press(char key, View* view) {
  TopOptions& options = view->options;
  if (view->is_typing) {
    if (key == '\n' || key == '\r' || key == 27) {
      view->is_typing = false;
      if (key == 27) options.filter.clear();
    } else if (key == 127 || key == 8) {
      if (!options.filter.empty()) options.filter.pop_back();
    } else if (static_cast<unsigned char>(key) >= 0x20) {
      options.filter += key;
    }
    return;
  }
  switch (key) {
    case 'q':
      view->ends = true;
      return;
    case 's': {
      const std::vector<std::string> orders = TopOrders();
      const auto at = std::find(orders.begin(), orders.end(), options.sort);
      options.sort =
          at == orders.end() || at + 1 == orders.end() ? orders[0] : *(at + 1);
      return;
    }
    case 'r':
      options.reverse = !options.reverse;
      return;
    case '/':
      view->is_typing = true;
      options.filter.clear();
      return;
    case 'j':
    case 'B':  // the last letter of an arrow: ESC [ B
      ++view->first;
      return;
    case 'k':
    case 'A':
      if (view->first > 0) --view->first;
      return;
    default:
      return;
  }
}

// Reads the size of the terminal, which may change at any time.
void Measure(Style* style, size_t* height) {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return;
  style->width = size.ws_col;
  *height = size.ws_row;
}

int OneFrame(Fleet* fleet, const TopOptions& options) {
  Fleet::Cursor cursor;
  // Waits until each target has an answer or an error.
  for (;;) {
    const auto answers = fleet->Last();
    if (std::none_of(answers.begin(), answers.end(), [](const auto& each) {
          return each.error == Fleet::kNotAsked;
        })) {
      std::cout << RenderTop(answers, options, fleet->settings().style);
      return std::any_of(answers.begin(), answers.end(),
                         [](const auto& each) { return each.error.empty(); })
                 ? kExitOk
                 : kExitFailed;
    }
    fleet->Wait(&cursor, std::chrono::seconds(1));
  }
}

int Live(Fleet* fleet, const TopOptions& options) {
  std::signal(SIGINT, Interrupt);
  std::signal(SIGTERM, Interrupt);
  const Screen screen;
  View view;
  view.options = options;
  Style style = fleet->settings().style;
  size_t height = 24;
  auto due = Clock::now();
  while (!view.ends && interrupted == 0) {
    const auto now = Clock::now();
    if (now >= due) due = now + options.interval;
    Measure(&style, &height);
    std::string frame = RenderTop(fleet->Last(), view.options, style,
                                  height > 2 ? height - 2 : 1, view.first);
    std::string help = view.is_typing
                           ? absl::StrCat("filter: ", view.options.filter, "_")
                           : "q end  s order  r turn  / filter  up/down";
    if (help.size() > style.width) help.resize(style.width);
    Screen::Show(frame + help);
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        due - Clock::now());
    pollfd in{STDIN_FILENO, POLLIN, 0};
    const auto wait = static_cast<int>(std::max<int64_t>(left.count(), 1));
    if (::poll(&in, 1, wait) <= 0) continue;
    char keys[64];
    const ssize_t n = ::read(STDIN_FILENO, keys, sizeof(keys));
    if (n == 0 || (n < 0 && errno != EINTR)) break;  // the input is closed
    // Of an arrow's codes only the letter is a key; ESC is ignored unless a
    // filter is being typed.
    for (ssize_t i = 0; i < n; ++i) Press(keys[i], &view);
  }
  return kExitOk;
}

}  // namespace

int Top(const Settings& settings, const TopOptions& options) {
  Fleet fleet(settings);
  const absl::Status ready = fleet.Connect();
  if (!ready.ok()) {
    std::cerr << "firebreakctl: " << Printable(std::string(ready.message()))
              << "\n";
    return kExitUsage;
  }
  fleet.AddViewer();
  fleet.Start();
  const bool is_live =
      !options.once && isatty(STDOUT_FILENO) == 1 && isatty(STDIN_FILENO) == 1;
  const int code = is_live ? Live(&fleet, options) : OneFrame(&fleet, options);
  fleet.RemoveViewer();
  return code;
}

}  // namespace firebreak::ctl
