#include "examples/shop/priority.h"

#include <sched.h>
#include <stdlib.h>

#include <filesystem>
#include <iostream>
#include <system_error>

namespace shop {

void GoFirst() {
  sched_param priority = {};
  priority.sched_priority = sched_get_priority_min(SCHED_RR);
  if (sched_setscheduler(0, SCHED_RR, &priority) == 0) {
    std::cout << "with real-time priority, so that other work on this machine "
                 "is not measured\n";
  }
}

std::string MakeLogFolder() {
  std::error_code error;
  std::string path =
      (std::filesystem::temp_directory_path(error) / "shop_demo.XXXXXX")
          .string();
  return mkdtemp(path.data()) == nullptr ? std::string() : path;
}

}  // namespace shop
