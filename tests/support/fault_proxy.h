// A TCP proxy on loopback between a client and a server that simulates the
// faults of a network.
//
//   FaultProxy proxy(server.port());
//   channel = engine->CreateChannel("x", proxy.address(), ...);
//   FaultProxy::Faults black_hole;
//   black_hole.stalled = true;
//   proxy.Set(black_hole);               // for all connections, until changed
//   ...
//   proxy.Heal();
//
// Faults may be changed at any time. Every method returns once the change has
// taken effect: nothing is forwarded under the previous faults after that.
//
// Data that is lost stays lost, as in a network: a connection that was reset or
// is half-open does not recover, but a stalled one does.
//
// Thread safety: all methods from any thread. Ownership: it owns a thread,
// which lives as long as the proxy; the destructor ends it and closes every
// descriptor at once, whatever the state of the connections.
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
  // The faults of one direction of a connection.
  struct Way {
    std::chrono::milliseconds delay{0};
    int bytes_per_second = 0;  // 0 = no limit
  };
  struct Faults {
    Way to_server;
    Way to_client;
    // No data is read or forwarded; the connection stays up.
    bool stalled = false;
    // A connection is reset after so many more bytes of answers. < 0: never.
    int64_t reset_after = -1;
  };
  enum class Which {
    kAll,       // present and future connections
    kExisting,  // present connections
    kNew,       // future connections
  };

  // The proxy connects to 127.0.0.1:`server_port`, which need not listen yet.
  explicit FaultProxy(int server_port);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  int port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  void Set(const Faults& faults, Which which = Which::kAll);
  // Removes all faults, and accepts connections.
  void Heal();
  // Sends RST to both sides of every connection now.
  void Reset();
  // Half-open connections: the server side of every connection ends, but the
  // client does not learn of it. What it sends is accepted and dropped.
  void LoseServer();
  // Refuses connections, as if no server listened; the port stays reserved.
  void Refuse();

  int accepted() const;      // all connections so far
  int open() const;          // connections whose client side is up
  int64_t answered() const;  // all bytes forwarded to clients
  int64_t asked() const;     // all bytes forwarded to servers

 private:
  class Loop;

  // Runs the command on the proxy's thread, and waits for its end.
  void Do(const std::function<void(Loop*)>& command) const;

  const std::unique_ptr<Loop> loop_;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_FAULT_PROXY_H_
