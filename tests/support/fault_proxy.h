// A TCP proxy on loopback between a client and a server, for all that a network
// does to a connection.
//
//   FaultProxy proxy(server.port());
//   channel = engine->CreateChannel("x", proxy.address(), ...);
//   FaultProxy::Faults black_hole;
//   black_hole.stalled = true;
//   proxy.Set(black_hole);               // of every connection, until changed
//   ...
//   proxy.Heal();
//
// Faults may be switched at any moment. Every method returns when it is done:
// nothing of what was before is forwarded any more.
//
// What gets lost on the way is lost for good, as in a network: a connection
// that was reset or half-open does not come back, a stalled one does.
//
// Thread safety: all methods from any thread. Ownership: one thread of its own,
// which lives as long as the proxy; the destructor ends it and closes every
// descriptor at once, whatever state the connections are in.
#ifndef FIREBREAK_TESTS_SUPPORT_FAULT_PROXY_H_
#define FIREBREAK_TESTS_SUPPORT_FAULT_PROXY_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

namespace firebreak::testing {

class FaultProxy {
 public:
  // What one direction of a connection suffers from.
  struct Way {
    std::chrono::milliseconds delay{0};
    int bytes_per_second = 0;  // 0 = as fast as it goes
  };
  struct Faults {
    Way to_server;
    Way to_client;
    // Nothing is read and nothing is forwarded; the connection stays up.
    bool stalled = false;
    // A connection is reset after so many further bytes of answers. < 0: never.
    int64_t reset_after = -1;
  };
  enum class Which {
    kAll,       // those there are, and those to come
    kExisting,  // those there are
    kNew,       // those to come
  };

  // Goes to 127.0.0.1:`server_port`, which need not listen yet.
  explicit FaultProxy(int server_port);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  int port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  void Set(const Faults& faults, Which which = Which::kAll);
  // No faults any more, and open for connections.
  void Heal();
  // RST to both sides of every connection, now.
  void Reset();
  // Half-open: the server side of every connection ends, and the client is
  // never told. What it sends is taken, and goes nowhere.
  void LoseServer();
  // Connections are refused, as if nobody listened; the port stays ours.
  void Refuse();

  int accepted() const;      // connections, ever
  int open() const;          // connections whose client side is up
  int64_t answered() const;  // bytes forwarded to clients, ever
  int64_t asked() const;     // and to servers

 private:
  class Loop;

  // Runs on the proxy's thread, and waits for it.
  void Do(const std::function<void(Loop*)>& command) const;

  const std::unique_ptr<Loop> loop_;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_FAULT_PROXY_H_
