# Read by ctest, not by the configuration: makes one test of each suite of a
# GoogleTest program. One for each single test would start thousands of
# processes, which takes longer than the tests.
#
#   set(program /path/of/core_tests)
#   set(properties LABELS unit)
#   include(cmake/TestSuites.cmake)       # BreakerTest, Styles/OriginTest, ...
#
# Under a sanitizer a process takes so long to start and to end that one for each
# suite doubles the time. So with FIREBREAK_TESTS_BY=program in the environment of
# ctest there is one test of the whole program.

get_filename_component(name "${program}" NAME)
if(NOT EXISTS "${program}")
  # It fails, and its name says why.
  add_test(${name}_NOT_BUILT ${name}_NOT_BUILT)
  return()
endif()
# A test in virtual time waits for nothing, and can give way to one of real sockets
# that runs beside it and measures milliseconds.
set(command "${program}")
if("${properties}" MATCHES "LABELS;unit")
  set(command nice -n 10 "${program}")
endif()
if("$ENV{FIREBREAK_TESTS_BY}" STREQUAL program)
  add_test(${name} ${command})
  set_tests_properties(${name} PROPERTIES ${properties})
  return()
endif()
execute_process(
  COMMAND "${program}" --gtest_list_tests
  OUTPUT_VARIABLE suites
  RESULT_VARIABLE result
  TIMEOUT 60)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${program} does not list its tests: ${result}")
endif()
# A suite's line begins at the margin and ends with a dot, and with a comment
# where the suite has a type; a test's is indented. Semicolons part lists.
string(REPLACE ";" "," suites "${suites}")
string(REPLACE "\n" ";" suites "${suites}")
foreach(suite IN LISTS suites)
  if(suite MATCHES "^([A-Za-z0-9_/]+)\\.( *#.*)?$")
    set(suite ${CMAKE_MATCH_1})
    add_test(${suite} ${command} "--gtest_filter=${suite}.*")
    set_tests_properties(${suite} PROPERTIES ${properties})
  endif()
endforeach()
