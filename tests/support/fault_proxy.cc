#include "tests/support/fault_proxy.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <future>
#include <list>
#include <mutex>
#include <utility>
#include <vector>

#include "tests/support/fault_connection.h"
#include "tests/support/tcp.h"

namespace firebreak::testing {

// All of it runs on the proxy's thread, except Post().
class FaultProxy::Loop {
 public:
  explicit Loop(int server_port)
      : server_port_(server_port),
        wake_(tcp::Must(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")),
        guard_(tcp::NewSocket()),
        port_(tcp::Bind(guard_, 0)) {
    Listen();
  }
  ~Loop() {
    StopListening();
    tcp::Close(&guard_);
    tcp::Close(&wake_);
  }

  int port() const { return port_; }

  void Post(std::function<void()> command) {
    {
      std::lock_guard<std::mutex> lock(mu_);
      commands_.push_back(std::move(command));
    }
    const uint64_t one = 1;
    (void)!write(wake_, &one, sizeof(one));
  }

  void Run() {
    while (!stop) {
      Poll();
      RunCommands();
      Accept();
      for (FaultConnection& c : connections) {
        answered += c.Forward();
        asked += c.TakeAsked();
      }
      connections.remove_if([](const FaultConnection& c) { return c.dead(); });
    }
  }

  void Listen() {
    if (listener_ >= 0) return;
    listener_ = tcp::NewSocket(SOCK_NONBLOCK);
    tcp::Bind(listener_, port_);
    tcp::Must(listen(listener_, 128), "listen");
  }
  void StopListening() { tcp::Close(&listener_); }

  bool stop = false;
  Faults faults;  // for later connections
  std::list<FaultConnection> connections;
  int accepted = 0;
  int64_t answered = 0;
  int64_t asked = 0;

 private:
  // Sleeps until a socket is ready or a delayed chunk is due.
  void Poll() const {
    std::vector<pollfd> fds = {{wake_, POLLIN, 0}, {listener_, POLLIN, 0}};
    const auto now = FaultConnection::Clock::now();
    auto wake = now + std::chrono::seconds(1);
    for (const FaultConnection& c : connections) c.AddTo(&fds, &wake);
    const auto sleep = std::max(
        std::chrono::ceil<std::chrono::milliseconds>(wake - now).count(),
        int64_t{0});
    poll(fds.data(), fds.size(), static_cast<int>(sleep));
  }

  void RunCommands() {
    uint64_t count = 0;
    (void)!read(wake_, &count, sizeof(count));
    std::vector<std::function<void()>> commands;
    {
      std::lock_guard<std::mutex> lock(mu_);
      commands.swap(commands_);
    }
    for (const auto& command : commands) command();
  }

  void Accept() {
    while (listener_ >= 0) {
      const int client =
          accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (client < 0) return;
      const int on = 1;
      setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      ++accepted;
      connections.emplace_back(client, server_port_, faults);
    }
  }

  const int server_port_;
  int wake_;
  int guard_;  // bound but not listening: keeps the port while refusing
  const int port_;
  int listener_ = -1;
  std::mutex mu_;
  std::vector<std::function<void()>> commands_;
};

FaultProxy::FaultProxy(int server_port)
    : loop_(std::make_unique<Loop>(server_port)), port_(loop_->port()) {
  thread_ = std::thread([this] { loop_->Run(); });
}

FaultProxy::~FaultProxy() {
  Do([](Loop* loop) { loop->stop = true; });
  thread_.join();
}

void FaultProxy::Do(const std::function<void(Loop*)>& command) const {
  // Shared, since this function may return before set_value() does.
  auto done = std::make_shared<std::promise<void>>();
  loop_->Post([this, done, &command] {
    command(loop_.get());
    done->set_value();
  });
  done->get_future().wait();
}

void FaultProxy::Set(const Faults& faults, Which which) {
  Do([&](Loop* loop) {
    if (which != Which::kExisting) loop->faults = faults;
    if (which == Which::kNew) return;
    for (FaultConnection& c : loop->connections) c.set_faults(faults);
  });
}

void FaultProxy::Heal() {
  Set(Faults());
  Do([](Loop* loop) { loop->Listen(); });
}

void FaultProxy::Reset() {
  Do([](Loop* loop) {
    for (FaultConnection& c : loop->connections) c.Reset();
  });
}

void FaultProxy::LoseServer() {
  Do([](Loop* loop) {
    for (FaultConnection& c : loop->connections) c.LoseServer();
  });
}

void FaultProxy::Refuse() {
  Do([](Loop* loop) { loop->StopListening(); });
}

int FaultProxy::accepted() const {
  int n = 0;
  Do([&](Loop* loop) { n = loop->accepted; });
  return n;
}

int FaultProxy::open() const {
  int n = 0;
  Do([&](Loop* loop) { n = static_cast<int>(loop->connections.size()); });
  return n;
}

int64_t FaultProxy::answered() const {
  int64_t n = 0;
  Do([&](Loop* loop) { n = loop->answered; });
  return n;
}

int64_t FaultProxy::asked() const {
  int64_t n = 0;
  Do([&](Loop* loop) { n = loop->asked; });
  return n;
}

}  // namespace firebreak::testing
