# Writes OUT: a C table TABLE of struct STRUCT {name, text} of FILES, absolute or below ROOT; a name is that below ROOT,
# or AS where it is given as FILE=AS. Strings are written as byte arrays, since C11 guarantees literals of 4095
# characters only.
set(text "struct ${STRUCT} { const char *name; const unsigned char *text; };\n")
set(table "")
set(i 0)
foreach(f IN LISTS FILES)
  string(REGEX REPLACE ".*=" "" name "${f}")
  string(REGEX REPLACE "=.*" "" f "${f}")
  cmake_path(ABSOLUTE_PATH f BASE_DIRECTORY ${ROOT})
  file(READ ${f} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(APPEND text "static const unsigned char k${i}[] = {${bytes}0};\n")
  string(APPEND table "    {\"${name}\", k${i}},\n")
  math(EXPR i "${i} + 1")
endforeach()
string(APPEND text "extern const struct ${STRUCT} ${TABLE}[];\nconst struct ${STRUCT} ${TABLE}[] = {\n${table}    {0, 0}\n};\n")
file(WRITE ${OUT} "${text}")
