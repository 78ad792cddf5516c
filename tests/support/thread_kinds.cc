#include "tests/support/thread_kinds.h"

#include <dirent.h>
#include <grpcpp/alarm.h>

#include <chrono>
#include <fstream>
#include <future>
#include <thread>
#include <utility>

#include "src/engine/io/clock.h"
#include "src/engine/io/io.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

class QueueTask final : public engine::Completion {
 public:
  explicit QueueTask(std::function<void()> task) : task_(std::move(task)) {}
  void OnComplete(bool /*ok*/) override {
    const std::function<void()> task = std::move(task_);
    delete this;
    task();
  }

 private:
  std::function<void()> task_;
};

class TimerTask final : public engine::TimerClient {
 public:
  explicit TimerTask(std::function<void()> task) : task_(std::move(task)) {}
  void OnTimer() override { task_(); }
  engine::Timer timer;

 private:
  const std::function<void()> task_;
};

std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace

std::string ThreadKindName(ThreadKind kind) {
  switch (kind) {
    case ThreadKind::kCaller:
      return "caller";
    case ThreadKind::kGrpcCallback:
      return "grpc_callback";
    case ThreadKind::kAppQueue:
      return "app_queue";
    case ThreadKind::kPoller:
      return "poller";
    case ThreadKind::kTimer:
      return "timer";
    case ThreadKind::kPool:
      return "pool";
  }
  return "";
}

void ThreadKinds::Run(ThreadKind kind, std::shared_ptr<engine::EngineCore> core,
                      std::function<void()> what) {
  switch (kind) {
    case ThreadKind::kCaller:
      core.reset();
      what();
      return;
    case ThreadKind::kGrpcCallback:
      core.reset();
      RunInCallback(what);
      return;
    case ThreadKind::kAppQueue:
      core.reset();
      RunOnQueue(what);
      return;
    case ThreadKind::kPoller:
    case ThreadKind::kTimer:
    case ThreadKind::kPool:
      RunOnEngine(kind, std::move(core), std::move(what));
      return;
  }
}

void ThreadKinds::RunInCallback(const std::function<void()>& what) {
  UnaryCall call("plain o");
  // Shared, since the thread that waits may return before set_value() does.
  auto done = std::make_shared<std::promise<void>>();
  plain_->async()->Unary(&call.context, &call.request, &call.reply,
                         [&what, done](const grpc::Status& /*status*/) {
                           what();
                           done->set_value();
                         });
  done->get_future().wait();
}

void ThreadKinds::RunOnQueue(const std::function<void()>& what) {
  grpc::CompletionQueue cq;
  std::thread polls([&] {
    void* tag = nullptr;
    bool ok = false;
    while (cq.Next(&tag, &ok)) what();
  });
  grpc::Alarm alarm;
  alarm.Set(&cq, std::chrono::system_clock::now(), nullptr);
  cq.Shutdown();
  polls.join();
}

void ThreadKinds::RunOnEngine(ThreadKind kind,
                              std::shared_ptr<engine::EngineCore> core,
                              std::function<void()> what) {
  auto let_go = std::make_shared<std::promise<void>>();
  auto done = std::make_shared<std::promise<void>>();
  // The task waits until this function has released the engine, so that `what`
  // holds the last reference.
  auto task = [let_go, done, what = std::move(what)] {
    let_go->get_future().wait();
    what();
    done->set_value();
  };
  grpc::Alarm alarm;
  std::shared_ptr<TimerTask> timer;
  engine::Io* const io = core->io();
  if (kind == ThreadKind::kPoller) {
    engine::Completion* const tag = new QueueTask(task);
    alarm.Set(io->Begin(), std::chrono::system_clock::now(), tag);
  } else if (kind == ThreadKind::kTimer) {
    timer = std::make_shared<TimerTask>(task);
    timer->timer.client = timer;
    io->Arm(&timer->timer, engine::Now());
  } else {
    EXPECT_TRUE(io->Submit(task)) << "the pool's queue is full";
  }
  core.reset();
  let_go->set_value();
  done->get_future().wait();
}

int OwnThreads() {
  const std::string own = FirstLine("/proc/self/comm");
  DIR* const tasks = opendir("/proc/self/task");
  int count = 0;
  while (const dirent* entry = readdir(tasks)) {
    if (entry->d_name[0] == '.') continue;
    const std::string comm =
        FirstLine(std::string("/proc/self/task/") + entry->d_name + "/comm");
    count += comm == own ? 1 : 0;
  }
  closedir(tasks);
#ifdef FIREBREAK_TSAN
  --count;  // TSan's own
#endif
  return count;
}

}  // namespace firebreak::testing
