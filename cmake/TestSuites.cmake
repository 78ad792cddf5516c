# Makes one test of each suite of a GoogleTest program. ctest reads this file,
# not the configuration. A test for each single case would start thousands of
# processes, which takes longer than the tests.
#
#   set(program /path/of/core_tests)
#   set(properties LABELS unit)
#   include(cmake/TestSuites.cmake)       # BreakerTest, Styles/OriginTest, ...
#
# Under a sanitizer a process takes so long to start and to end that one for
# each suite doubles the time. So with FIREBREAK_TESTS_BY=program in the
# environment of ctest there is one test for the whole program.

get_filename_component(name "${program}" NAME)
if(NOT EXISTS "${program}")
  # This test fails, and its name says why.
  add_test(${name}_NOT_BUILT ${name}_NOT_BUILT)
  return()
endif()
# A test that measures no milliseconds can give way to one that does and runs
# beside it: tests in virtual time, and of lifetimes.
set(command "${program}")
if("${properties}" MATCHES "LABELS;unit|RESOURCE_LOCK;lifetimes")
  set(command nice -n 10 "${program}")
endif()
# Those that measure run one at a time, which takes longer than all others
# together. So they come first, and the others run beside them.
if("${properties}" MATCHES "RESOURCE_LOCK;sockets")
  list(APPEND properties COST 1000)
endif()
# The x keeps CMake from taking the word for the variable above.
if("x$ENV{FIREBREAK_TESTS_BY}" STREQUAL "xprogram")
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
# The line of a suite is not indented, and ends with a dot, and a comment if the
# suite has a type. The lines of tests are indented. Semicolons separate the
# items of CMake's lists, so none may stay in the text.
string(REPLACE ";" "," suites "${suites}")
string(REPLACE "\n" ";" suites "${suites}")
foreach(suite IN LISTS suites)
  if(suite MATCHES "^([A-Za-z0-9_/]+)\\.( *#.*)?$")
    set(suite ${CMAKE_MATCH_1})
    add_test(${suite} ${command} "--gtest_filter=${suite}.*")
    set_tests_properties(${suite} PROPERTIES ${properties})
  endif()
endforeach()
