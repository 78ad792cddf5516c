// Suppressions for leaks of other libraries, which LeakSanitizer would report.
// They are linked into the test programs that need them.
#if defined(__SANITIZE_ADDRESS__)
extern "C" const char* __lsan_default_suppressions();  // NOLINT: its name

extern "C" const char* __lsan_default_suppressions() {  // NOLINT: its name
  // c-ares 1.18 leaks ten bytes for each name that does not resolve, on a
  // machine without a search domain. OpenSSL is used by gRPC: a program that
  // ends while a thread of gRPC closes a connection leaks some of its memory,
  // once in many runs. If firebreak leaks a channel or a server, that is still
  // reported, since gRPC allocates those.
  return "leak:libcares.so\nleak:libcrypto.so\n";
}
#endif
