#include "examples/shop/ledger.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace shop {

Ledger::~Ledger() {
  if (file_ >= 0) close(file_);
}

bool Ledger::Open(const std::string& path) {
  file_ = open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file_ < 0) return false;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) orders_.insert(line);
  return true;
}

bool Ledger::Charge(const std::string& order_id) {
  std::lock_guard<std::mutex> lock(mu_);
  if (!orders_.insert(order_id).second) return false;
  if (file_ >= 0) {
    // One write, so that a killed process leaves a whole line or none. It need
    // not reach the disk, since the kernel keeps it when the process ends.
    const std::string line = order_id + "\n";
    if (write(file_, line.data(), line.size()) !=
        static_cast<ssize_t>(line.size())) {
      std::perror("cannot write the ledger");
      std::abort();  // better than a charge that is not in the ledger
    }
  }
  return true;
}

int64_t Ledger::size() const {
  std::lock_guard<std::mutex> lock(mu_);
  return static_cast<int64_t>(orders_.size());
}

}  // namespace shop
