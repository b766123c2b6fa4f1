# Reads the extension's CMake files as Slicer's build system would, and puts every file where
# Slicer's macros would. Needs CMake alone: no compiler, no Slicer.
#
#   cmake -DEXTENSION=<repository> -DBUILD=<folder> -P read_extension.cmake

cmake_minimum_required(VERSION 3.16)

set(CMAKE_BINARY_DIR ${BUILD})
set(CMAKE_SOURCE_DIR ${EXTENSION})
set(CMAKE_CURRENT_SOURCE_DIR ${EXTENSION})
set(BUILD_TESTING ON)
set(STAND_IN_DIR ${CMAKE_CURRENT_LIST_DIR})

# A script may not use these commands of CMake: they are replaced.
macro(project name)
  set(PROJECT_NAME ${name})
endmacro()

macro(find_package name)
  if(NOT "${name}" STREQUAL "Slicer")
    message(FATAL_ERROR "The extension asks for the package ${name}, which Slicer does not bring")
  endif()
  set(Slicer_USE_FILE ${STAND_IN_DIR}/UseSlicer.cmake)
  set(Slicer_EXTENSION_GENERATE_CONFIG ${STAND_IN_DIR}/GenerateConfig.cmake)
  set(Slicer_EXTENSION_CPACK ${STAND_IN_DIR}/ExtensionCPack.cmake)
  set(Slicer_QTSCRIPTEDMODULES_LIB_DIR lib/Slicer-5.12/qt-scripted-modules)
endmacro()

function(add_subdirectory name)
  set(CMAKE_CURRENT_SOURCE_DIR ${CMAKE_CURRENT_SOURCE_DIR}/${name})
  include(${CMAKE_CURRENT_SOURCE_DIR}/CMakeLists.txt)
endfunction()

include(${EXTENSION}/CMakeLists.txt)
