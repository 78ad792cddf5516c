# What every target of ours shares: warnings, visibility, sanitizers, ccache.

if(PROJECT_IS_TOP_LEVEL)
  find_program(CCACHE_PROGRAM ccache)
endif()
if(CCACHE_PROGRAM AND PROJECT_IS_TOP_LEVEL AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # What ccache asks for before it caches files with precompiled headers, which
  # the tests have; and paths relative to this folder, so that a second clone
  # finds what the first has compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
    ${CCACHE_PROGRAM})
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
  endif()
endif()

# An interface target for our own code only: generated code does not get it.
add_library(firebreak_options INTERFACE)
target_compile_options(firebreak_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>)
if(FIREBREAK_WERROR)
  target_compile_options(firebreak_options INTERFACE -Werror)
endif()

if(CMAKE_UNITY_BUILD)
  # Every file is then a header for g++, and their local classes look shared.
  target_compile_options(firebreak_options INTERFACE
    $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
endif()

if(FIREBREAK_SANITIZE)
  add_compile_options(-fsanitize=${FIREBREAK_SANITIZE}
    -fno-omit-frame-pointer -fno-sanitize-recover=all)
  # A server may answer with a code that is none, and gRPC hands it on as one.
  if(FIREBREAK_SANITIZE MATCHES undefined)
    add_compile_options(-fno-sanitize=enum)
  endif()
  # Headers of Protobuf, Abseil and gRPC lay out their classes otherwise where
  # they see TSan, and the libraries that we link did not (a map field of
  # Protobuf is 8 bytes longer). So they must not see it. libstdc++'s headers
  # must, which then take no short cut that TSan does not follow.
  if(FIREBREAK_SANITIZE MATCHES thread)
    add_compile_options(-U__SANITIZE_THREAD__)
    add_compile_definitions(_GLIBCXX_TSAN=1 FIREBREAK_TSAN)
  endif()
  add_link_options(-fsanitize=${FIREBREAK_SANITIZE})
endif()

# firebreak_library(NAME SOURCES ... DEPS ...): static library firebreak_NAME
# with the alias firebreak::NAME, exported under that name. Where shared
# libraries are asked for, Libraries.cmake makes those of it, and gives the
# alias to them.
function(firebreak_library NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_library(firebreak_${NAME} STATIC ${ARG_SOURCES})
  if(NOT BUILD_SHARED_LIBS)
    add_library(firebreak::${NAME} ALIAS firebreak_${NAME})
  endif()
  # Code that fits either kind, and hides what FIREBREAK_EXPORT does not show:
  # whoever links a static library into a shared one of theirs wants that too.
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

# firebreak_program(NAME SOURCES ... DEPS ...): an executable of ours.
function(firebreak_program NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${NAME} ${ARG_SOURCES})
  target_include_directories(${NAME} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${NAME} PRIVATE ${ARG_DEPS} firebreak_options)
endfunction()
