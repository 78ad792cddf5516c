#include "tests/bench/admin/page.h"

#include <sys/socket.h>

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "tests/support/tcp.h"

namespace firebreak::bench {

namespace tcp = firebreak::testing::tcp;

PageViewers::PageViewers(std::string program, std::vector<std::string> targets,
                         int viewers)
    : program_(std::move(program)),
      targets_(std::move(targets)),
      viewers_(viewers) {}

bool PageViewers::Begin() {
  // A Child has to end with its input. The server does not, so a shell ends it.
  server_ = std::make_unique<Child>(std::vector<std::string>{
      "/bin/sh", "-c",
      absl::StrCat("'", program_, "' serve --listen 127.0.0.1:0 --target '",
                   absl::StrJoin(targets_, ","),
                   "' & cat >/dev/null; kill $!")});
  const std::string url = server_->ReadLine();  // http://127.0.0.1:40001/
  absl::string_view port = absl::StripSuffix(url, "/");
  port.remove_prefix(std::min(port.size(), port.rfind(':') + 1));
  int number = 0;
  if (!absl::SimpleAtoi(port, &number)) return false;
  const std::string request =
      "GET /events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  for (int i = 0; i < viewers_; ++i) {
    const int fd = tcp::NewSocket();
    if (tcp::Connect(fd, number) != 0 ||
        send(fd, request.data(), request.size(), MSG_NOSIGNAL) < 0) {
      return false;
    }
    sockets_.push_back(fd);
    threads_.emplace_back([this, fd] {
      char text[1 << 16];
      for (;;) {
        const ssize_t n = recv(fd, text, sizeof(text), 0);
        if (n <= 0) return;
        bytes_ += n;
      }
    });
  }
  return true;
}

void PageViewers::End() {
  for (const int fd : sockets_) shutdown(fd, SHUT_RDWR);
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  for (int& fd : sockets_) tcp::Close(&fd);
  sockets_.clear();
  server_.reset();
}

}  // namespace firebreak::bench
