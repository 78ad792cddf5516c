#include "tests/support/fault_connection.h"

#include <algorithm>
#include <utility>

#include "tests/support/tcp.h"

namespace firebreak::testing {
namespace {

// No more than this is read, so that the sender sees back pressure.
constexpr size_t kMostBuffered = size_t{64} * 1024;

bool WouldBlock() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

}  // namespace

FaultConnection::FaultConnection(int client, int server_port,
                                 const FaultProxy::Faults& faults)
    : fd_{client, tcp::NewSocket(SOCK_NONBLOCK)}, faults_(faults) {
  const int error = tcp::Connect(fd_[kServer], server_port);
  if (error != 0 && error != EINPROGRESS) Reset();
}

void FaultConnection::AddTo(std::vector<pollfd>* fds,
                            Clock::time_point* wake) const {
  if (faults_.stalled) return;
  const Clock::time_point now = Clock::now();
  for (Side side : {kClient, kServer}) {
    pollfd entry = {fd_[side], 0, 0};
    const Pipe& in = from_[Other(side)];
    if (WantsRead(side)) entry.events |= POLLIN;
    if (side == kServer && connecting_) {
      entry.events |= POLLOUT;
    } else if (!in.chunks.empty()) {
      const Clock::time_point due =
          std::max(in.chunks.front().due, in.next_write);
      if (due <= now) {
        entry.events |= POLLOUT;
      } else {
        *wake = std::min(*wake, due);
      }
    }
    // A socket without requested events is left out: if its peer has hung up,
    // poll() would always return at once.
    if (entry.fd >= 0 && entry.events != 0) fds->push_back(entry);
  }
}

int64_t FaultConnection::Forward() {
  if (dead() || faults_.stalled) return 0;
  int64_t answered = 0;
  if (connecting_) FinishConnect();
  for (Side side : {kClient, kServer}) {
    if (WantsRead(side)) Read(side);
    const int64_t written = dead() ? 0 : Write(side);
    (side == kServer ? answered : asked_) += written;
  }
  if (from_[kClient].ended && from_[kServer].ended) {
    tcp::Close(&fd_[kClient]);
    tcp::Close(&fd_[kServer]);
  }
  return answered;
}

void FaultConnection::Reset() {
  tcp::SendReset(&fd_[kClient]);
  tcp::SendReset(&fd_[kServer]);
}

void FaultConnection::LoseServer() {
  tcp::SendReset(&fd_[kServer]);
  server_lost_ = true;
  connecting_ = false;
  from_ = {};
}

bool FaultConnection::WantsRead(Side side) const {
  if (fd_[side] < 0 || from_[side].source_ended) return false;
  if (side == kServer && connecting_) return false;
  return from_[side].buffered < kMostBuffered;
}

void FaultConnection::FinishConnect() {
  pollfd entry = {fd_[kServer], POLLOUT, 0};
  if (poll(&entry, 1, 0) <= 0) return;
  connecting_ = false;
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(fd_[kServer], SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) Reset();
}

void FaultConnection::Read(Side side) {
  std::array<char, 16384> buffer;
  const ssize_t n = read(fd_[side], buffer.data(), buffer.size());
  if (n < 0) {
    if (!WouldBlock()) Reset();
    return;
  }
  Pipe& pipe = from_[side];
  if (n == 0) {
    pipe.source_ended = true;
    if (side == kClient && server_lost_) tcp::Close(&fd_[kClient]);
    return;
  }
  if (side == kClient && server_lost_) return;
  pipe.chunks.push_back({Clock::now() + WayFrom(side).delay,
                         std::string(buffer.data(), static_cast<size_t>(n))});
  pipe.buffered += static_cast<size_t>(n);
}

int64_t FaultConnection::Write(Side source) {
  Pipe& pipe = from_[source];
  const int to = fd_[Other(source)];
  if (to < 0 || connecting_) return 0;
  const int rate = WayFrom(source).bytes_per_second;
  int64_t written = 0;
  while (!pipe.chunks.empty()) {
    Pipe::Chunk& chunk = pipe.chunks.front();
    const Clock::time_point now = Clock::now();
    if (chunk.due > now || pipe.next_write > now) return written;
    size_t most = chunk.data.size();
    // Writes at most the bytes of a twentieth of a second at a time.
    if (rate > 0) {
      most = std::min(most, static_cast<size_t>(std::max(1, rate / 20)));
    }
    const bool resets = source == kServer && faults_.reset_after >= 0;
    if (resets) {
      most = std::min(most, static_cast<size_t>(faults_.reset_after));
    }
    const ssize_t n = send(to, chunk.data.data(), most, MSG_NOSIGNAL);
    if (n < 0) {
      if (!WouldBlock()) Reset();
      return written;
    }
    written += n;
    if (resets && (faults_.reset_after -= n) <= 0) {
      Reset();
      return written;
    }
    if (rate > 0) {
      pipe.next_write =
          now + std::chrono::microseconds(int64_t{1'000'000} * n / rate);
    }
    pipe.buffered -= static_cast<size_t>(n);
    chunk.data.erase(0, static_cast<size_t>(n));
    if (chunk.data.empty()) pipe.chunks.pop_front();
  }
  if (pipe.source_ended && !std::exchange(pipe.ended, true)) {
    shutdown(to, SHUT_WR);
  }
  return written;
}

}  // namespace firebreak::testing
