# The macros of Slicer that the extension uses, as strict with their arguments as Slicer's.

function(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MODULE
    "WITH_GENERIC_TESTS;WITH_SUBDIR;VERBOSE" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(MODULE_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "slicerMacroBuildScriptedModule: unknown ${MODULE_UNPARSED_ARGUMENTS}")
  endif()
  foreach(name IN LISTS MODULE_SCRIPTS MODULE_RESOURCES)
    configure_file(
      ${CMAKE_CURRENT_SOURCE_DIR}/${name}
      ${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR}/${name}
      COPYONLY)
  endforeach()
  if(NOT MODULE_NAME OR NOT MODULE_WITH_GENERIC_TESTS)
    message(FATAL_ERROR "slicerMacroBuildScriptedModule: NAME and WITH_GENERIC_TESTS are needed")
  endif()
endfunction()

function(slicer_add_python_unittest)
  cmake_parse_arguments(TEST "" "SCRIPT;TESTNAME_PREFIX" "SLICER_ARGS" ${ARGN})
  if(TEST_UNPARSED_ARGUMENTS OR NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${TEST_SCRIPT})
    message(FATAL_ERROR "slicer_add_python_unittest: ${ARGN}")
  endif()
  message(STATUS "Unit test: ${TEST_SCRIPT}")
endfunction()
