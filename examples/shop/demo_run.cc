#include "examples/shop/demo_run.h"

#include <sched.h>
#include <stdlib.h>

#include <filesystem>
#include <iostream>
#include <system_error>

#include "examples/shop/wait.h"

namespace shop {
namespace {

namespace fs = std::filesystem;

void GoFirst() {
  sched_param priority = {};
  priority.sched_priority = sched_get_priority_min(SCHED_RR);
  if (sched_setscheduler(0, SCHED_RR, &priority) == 0) {
    std::cout << "with real-time priority, so that other work on this machine "
                 "is not measured\n";
  }
}

// Creates a folder in the system's temporary folder, and returns its path, or
// "" if that fails.
std::string MakeLogFolder() {
  std::error_code error;
  std::string path =
      (fs::temp_directory_path(error) / "shop_demo.XXXXXX").string();
  return mkdtemp(path.data()) == nullptr ? std::string() : path;
}

}  // namespace

void DemoFlags::AddTo(CLI::App* app) {
  app->add_option("--keep-logs", keep_logs,
                  "folder for the servers' logs and databases; without it they "
                  "are removed unless it fails");
  app->add_flag("--normal-priority", normal_priority,
                "share the cores with other programs on equal terms; otherwise "
                "it goes first, when run by root");
}

int RunDemo(const std::string& name, const DemoFlags& flags,
            absl::FunctionRef<absl::Status(const Folders&)> story) {
  if (!flags.normal_priority) GoFirst();
  CatchInterrupts();
  const bool keeps = !flags.keep_logs.empty();
  std::error_code error;
  Folders folders;
  folders.programs =
      fs::read_symlink("/proc/self/exe", error).parent_path().string();
  folders.logs = keeps ? flags.keep_logs : MakeLogFolder();
  if (keeps) fs::create_directories(folders.logs, error);
  if (folders.logs.empty() || error) {
    std::cerr << name << ": failed: cannot create a folder for logs: "
              << error.message() << "\n";
    return 1;
  }
  const absl::Status status = story(folders);
  if (status.ok()) {
    if (!keeps) fs::remove_all(folders.logs, error);
    return 0;
  }
  std::cout.flush();
  std::cerr << "\nlogs: " << folders.logs << "\n"
            << name << ": failed: " << status.message() << "\n";
  return 1;
}

}  // namespace shop
