// Viewers of the page of `firebreakctl serve`.
//
//   PageViewers page(firebreakctl, {"unix:/tmp/a"}, /*viewers=*/10);
//   page.Begin();        // the page is served, and viewers stream its events
//   ...
//   page.End();
//
// Thread safety: none; it has threads of its own between Begin() and End().
#ifndef FIREBREAK_TESTS_BENCH_ADMIN_PAGE_H_
#define FIREBREAK_TESTS_BENCH_ADMIN_PAGE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/bench/overhead/child.h"

namespace firebreak::bench {

class PageViewers {
 public:
  PageViewers(std::string program, std::vector<std::string> targets,
              int viewers);
  ~PageViewers() { End(); }

  // Returns false if the page is not served.
  bool Begin();
  void End();
  // How much all viewers together have received.
  int64_t bytes() const { return bytes_; }

 private:
  const std::string program_;
  const std::vector<std::string> targets_;
  const int viewers_;
  std::unique_ptr<Child> server_;
  std::atomic<int64_t> bytes_{0};
  std::vector<int> sockets_;
  std::vector<std::thread> threads_;
};

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_ADMIN_PAGE_H_
