// One connection of a FaultProxy: two sockets, and the data between them.
//
//   FaultConnection c(client_fd, server_port, faults);
//   c.AddTo(&poll_fds, &wake);     // what to wait for, and until when
//   poll(...);
//   answered += c.Forward();
//
// Thread safety: none; it is used on the proxy's thread only. Ownership: it
// owns both sockets; the destructor resets them.
#ifndef FIREBREAK_TESTS_SUPPORT_FAULT_CONNECTION_H_
#define FIREBREAK_TESTS_SUPPORT_FAULT_CONNECTION_H_

#include <poll.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/fault_proxy.h"

namespace firebreak::testing {

class FaultConnection {
 public:
  using Clock = std::chrono::steady_clock;

  // Starts the connection to the server.
  FaultConnection(int client, int server_port,
                  const FaultProxy::Faults& faults);
  ~FaultConnection() { Reset(); }
  FaultConnection(const FaultConnection&) = delete;
  FaultConnection& operator=(const FaultConnection&) = delete;

  void AddTo(std::vector<pollfd>* fds, Clock::time_point* wake) const;
  // Reads and writes without blocking. Returns the bytes sent to the client.
  int64_t Forward();
  // The bytes sent to the server since the last call.
  int64_t TakeAsked() { return std::exchange(asked_, 0); }

  void set_faults(const FaultProxy::Faults& faults) { faults_ = faults; }
  void Reset();
  void LoseServer();
  bool dead() const { return fd_[kClient] < 0; }

 private:
  enum Side { kClient, kServer };
  // One direction: the data that was read from its source, but not yet written.
  struct Pipe {
    struct Chunk {
      Clock::time_point due;
      std::string data;
    };
    std::deque<Chunk> chunks;
    size_t buffered = 0;
    bool source_ended = false;  // FIN read
    bool ended = false;         // the FIN was passed on
    Clock::time_point next_write;
  };

  static Side Other(Side side) { return side == kClient ? kServer : kClient; }
  const FaultProxy::Way& WayFrom(Side source) const {
    return source == kClient ? faults_.to_server : faults_.to_client;
  }
  bool WantsRead(Side side) const;
  void FinishConnect();
  void Read(Side side);
  // Writes data of `source` to the other side. Returns the number of bytes.
  int64_t Write(Side source);

  std::array<int, 2> fd_;
  std::array<Pipe, 2> from_;  // by source
  bool connecting_ = true;    // to the server
  bool server_lost_ = false;
  int64_t asked_ = 0;
  FaultProxy::Faults faults_;
};

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_FAULT_CONNECTION_H_
