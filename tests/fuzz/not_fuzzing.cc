// The function that g++ calls at each branch of the code that is fuzzed. In all
// programs but firebreak_fuzz it does nothing.
extern "C" void
__sanitizer_cov_trace_pc();         // NOLINT(bugprone-reserved-identifier)
void __sanitizer_cov_trace_pc() {}  // NOLINT(bugprone-reserved-identifier)
