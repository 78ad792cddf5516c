// What LeakSanitizer must not hold against us. Linked into the programs of
// tests that need it; nothing asks for it elsewhere.
#if defined(__SANITIZE_ADDRESS__)
extern "C" const char* __lsan_default_suppressions();  // NOLINT: its name

extern "C" const char* __lsan_default_suppressions() {  // NOLINT: its name
  // c-ares 1.18 loses ten bytes for each name that does not resolve, on a
  // machine without a search domain. OpenSSL is gRPC's: a program that ends
  // while a thread of gRPC closes a connection loses some of it, once in many
  // runs. A channel or server that we lost would still show, as gRPC's own.
  return "leak:libcares.so\nleak:libcrypto.so\n";
}
#endif
