# How every Starling target is compiled, and one function a kind of target.

set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

# ccache needs to know that precompiled headers are safe to reuse.
find_program(STARLING_CCACHE ccache)
if(STARLING_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      ${STARLING_CCACHE})
endif()

function(starling_compile_options target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_compile_options(${target} PRIVATE -Wall -Wextra -ffp-contract=off)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -fpch-preprocess)
    # GCC 12 warns of overlaps in std::string that cannot be (bug 105651).
    if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
      target_compile_options(${target} PRIVATE -Wno-restrict)
    endif()
  endif()
  if(STARLING_SANITIZE)
    # Under the sanitizers GCC 12 takes parts of std::regex for uninitialized.
    target_compile_options(${target} PRIVATE -fsanitize=${STARLING_SANITIZE} -fno-omit-frame-pointer
                                             -Wno-maybe-uninitialized)
    target_link_options(${target} PUBLIC -fsanitize=${STARLING_SANITIZE})
  endif()
endfunction()

# starling_library(core SOURCES a.cpp LINKS x y): target starling_core, alias starling::core,
# installed and exported with include/starling/<name>, or <HEADERS> where that folder is another's.
function(starling_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "TORCH" "HEADERS" "SOURCES;LINKS;PRIVATE_LINKS")
  if(NOT arg_HEADERS)
    set(arg_HEADERS ${name})
  endif()
  add_library(starling_${name} STATIC ${arg_SOURCES})
  add_library(starling::${name} ALIAS starling_${name})
  set_target_properties(starling_${name} PROPERTIES EXPORT_NAME ${name})
  target_include_directories(starling_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(starling_${name} PUBLIC ${arg_LINKS} PRIVATE ${arg_PRIVATE_LINKS})
  starling_compile_options(starling_${name})
  set(export starlingTargets)
  if(arg_TORCH)
    target_link_libraries(starling_${name} PUBLIC torch)
    set(export starlingTorchTargets)
  endif()
  install(TARGETS starling_${name} EXPORT ${export}
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/starling/${arg_HEADERS}
          DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/starling)
endfunction()

# starling_test(privacy SOURCES a.cpp LINKS x): program test_<name>. Tests whose name holds "Long" are
# a ctest entry of their own with the label "long"; those with "Campaign", which take many minutes
# and belong to no default run, have the label "campaign".
function(starling_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINKS")
  add_executable(test_${name} ${arg_SOURCES})
  target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(test_${name} PRIVATE ${arg_LINKS} GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_definitions(test_${name} PRIVATE STARLING_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  starling_compile_options(test_${name})
  add_test(NAME ${name} COMMAND test_${name} --gtest_filter=-*Long*:*Campaign* --gtest_brief=1)
  foreach(word Long Campaign)
    string(TOLOWER ${word} label)
    add_test(NAME ${name}.${label} COMMAND test_${name} --gtest_filter=*${word}* --gtest_brief=1)
    set_tests_properties(${name}.${label} PROPERTIES LABELS ${label})
    set_tests_properties(${name}.${label} PROPERTIES ENVIRONMENT OMP_NUM_THREADS=1)
  endforeach()
  # Tests run side by side: threads of their own would only wait for each other.
  set_tests_properties(${name} PROPERTIES ENVIRONMENT OMP_NUM_THREADS=1)
endfunction()
