// What LeakSanitizer must not hold against us. Linked into the programs of
// tests that need it; nothing asks for it elsewhere.
#if defined(__SANITIZE_ADDRESS__)
extern "C" const char* __lsan_default_suppressions();  // NOLINT: its name

extern "C" const char* __lsan_default_suppressions() {  // NOLINT: its name
  // c-ares 1.18 loses ten bytes for each name that does not resolve, on a
  // machine without a search domain.
  return "leak:libcares.so\n";
}
#endif
