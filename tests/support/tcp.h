// TCP sockets on loopback, for tests of what happens below gRPC.
//
//   const int fd = tcp::NewSocket();
//   const int port = tcp::Bind(fd, 0);
//
// A test cannot continue without its sockets, so an error ends the program.
// Thread safety: pure functions.
#ifndef FIREBREAK_TESTS_SUPPORT_TCP_H_
#define FIREBREAK_TESTS_SUPPORT_TCP_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <iostream>

namespace firebreak::testing::tcp {

inline int Must(int result, const char* what) {
  if (result >= 0) return result;
  std::cerr << what << " failed with errno " << errno << "\n";
  std::abort();
}

inline sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

// Makes a socket that is closed on exec; `flags` are those of socket(). Several
// such sockets may be bound to one port if at most one of them listens, or all
// of them are gRPC's.
inline int NewSocket(int flags = 0) {
  const int fd =
      Must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), "socket");
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return fd;
}

// Binds the socket and returns its port, which the kernel chooses for 0. While
// the socket is open and does not listen, the kernel gives the port to no other
// process, and refuses connections to it.
inline int Bind(int fd, int port) {
  sockaddr_in address = Loopback(port);
  socklen_t size = sizeof(address);
  Must(bind(fd, reinterpret_cast<sockaddr*>(&address), size), "bind");
  Must(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size),
       "getsockname");
  return ntohs(address.sin_port);
}

// Returns 0, or errno.
inline int Connect(int fd, int port) {
  const sockaddr_in address = Loopback(port);
  return connect(fd, reinterpret_cast<const sockaddr*>(&address),
                 sizeof(address)) == 0
             ? 0
             : errno;
}

inline void Close(int* fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

// Closes with an RST.
inline void SendReset(int* fd) {
  if (*fd < 0) return;
  const linger hard{1, 0};
  setsockopt(*fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  Close(fd);
}

}  // namespace firebreak::testing::tcp

#endif  // FIREBREAK_TESTS_SUPPORT_TCP_H_
