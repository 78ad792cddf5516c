# What all our targets share: warnings, visibility, sanitizers and ccache.

if(PROJECT_IS_TOP_LEVEL)
  find_program(CCACHE_PROGRAM ccache)
endif()
if(CCACHE_PROGRAM AND PROJECT_IS_TOP_LEVEL AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # ccache demands this sloppiness before it caches files with precompiled
  # headers, which the tests have. Paths are relative to this folder, so that a
  # second clone finds what the first has compiled. What a file includes is read
  # from the list that the compiler writes: to run the preprocessor for that takes
  # up to a tenth of the time.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 CCACHE_DEPEND=1
    ${CCACHE_PROGRAM})
endif()

# g++ looks for memory to use again each time that its heap has doubled, which
# takes a tenth of the compile time. Up to half a gigabyte it need not: its heap
# is larger than that at the end anyway.
if(PROJECT_IS_TOP_LEVEL AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  add_compile_options(
    $<$<COMPILE_LANGUAGE:CXX>:--param=ggc-min-heapsize=524288>)
endif()

# Each of our test programs is linked with a hundred shared libraries, which lld
# does in a quarter of the time. What is packaged has the usual linker.
if(PROJECT_IS_TOP_LEVEL AND FIREBREAK_BUILD_TESTS)
  find_program(LLD_PROGRAM ld.lld)
  if(LLD_PROGRAM)
    add_link_options(-fuse-ld=lld)
  endif()
endif()

# This interface target is only for our own code, not for generated code.
add_library(firebreak_options INTERFACE)
target_compile_options(firebreak_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>)
if(FIREBREAK_WERROR)
  target_compile_options(firebreak_options INTERFACE -Werror)
endif()

if(CMAKE_UNITY_BUILD)
  # g++ then takes every file for a header, whose local classes look shared.
  target_compile_options(firebreak_options INTERFACE
    $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
endif()

if(FIREBREAK_SANITIZE)
  add_compile_options(-fsanitize=${FIREBREAK_SANITIZE}
    -fno-omit-frame-pointer -fno-sanitize-recover=all)
  # A server may answer with an unknown code, which gRPC passes on as an enum.
  if(FIREBREAK_SANITIZE MATCHES undefined)
    add_compile_options(-fno-sanitize=enum)
  endif()
  # Headers of Protobuf, Abseil and gRPC lay out their classes differently if
  # they see TSan (a map field of Protobuf is 8 bytes longer), but the libraries
  # that we link were built without it. So these headers must not see TSan.
  # libstdc++'s headers must, to avoid short cuts that TSan does not follow.
  if(FIREBREAK_SANITIZE MATCHES thread)
    add_compile_options(-U__SANITIZE_THREAD__)
    add_compile_definitions(_GLIBCXX_TSAN=1 FIREBREAK_TSAN)
  endif()
  add_link_options(-fsanitize=${FIREBREAK_SANITIZE})
endif()

# firebreak_library(NAME SOURCES ... DEPS ...): a static library firebreak_NAME
# with the alias firebreak::NAME, exported under that name. If shared libraries
# are asked for, Libraries.cmake makes them from it, and they get the alias.
function(firebreak_library NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_library(firebreak_${NAME} STATIC ${ARG_SOURCES})
  if(NOT BUILD_SHARED_LIBS)
    add_library(firebreak::${NAME} ALIAS firebreak_${NAME})
  endif()
  # The code fits both kinds of library, and hides what has no FIREBREAK_EXPORT.
  # Users who link a static library into a shared one of theirs need both too.
  set_target_properties(firebreak_${NAME} PROPERTIES
    EXPORT_NAME ${NAME}
    POSITION_INDEPENDENT_CODE ON
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON)
  target_include_directories(firebreak_${NAME}
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_features(firebreak_${NAME} PUBLIC cxx_std_17)
  target_link_libraries(firebreak_${NAME}
    PUBLIC ${ARG_DEPS}
    PRIVATE $<BUILD_INTERFACE:firebreak_options>)
endfunction()

# firebreak_optimized_under_asan(NAME): the preset `asan` compiles without
# optimization, which halves its time. This library keeps some, since its tests
# run it for minutes.
function(firebreak_optimized_under_asan NAME)
  if(FIREBREAK_SANITIZE MATCHES address)
    target_compile_options(firebreak_${NAME} PRIVATE -O1)
  endif()
endfunction()

# firebreak_program(NAME SOURCES ... DEPS ...): an executable of ours.
function(firebreak_program NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${NAME} ${ARG_SOURCES})
  target_include_directories(${NAME} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${NAME} PRIVATE ${ARG_DEPS} firebreak_options)
endfunction()
