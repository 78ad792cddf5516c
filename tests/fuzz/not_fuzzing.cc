// What g++ calls at each branch of the code that is fuzzed, in every program
// but firebreak_fuzz.
extern "C" void
__sanitizer_cov_trace_pc();         // NOLINT(bugprone-reserved-identifier)
void __sanitizer_cov_trace_pc() {}  // NOLINT(bugprone-reserved-identifier)
