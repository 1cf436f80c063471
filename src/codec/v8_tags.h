/* v8_tags.h: the tags of V8's serialization format, for its reader and its writer. */
#ifndef TP_CODEC_V8_TAGS_H
#define TP_CODEC_V8_TAGS_H

enum {
  TP_V8_VERSION_MIN = 13, /* what is read */
  TP_V8_VERSION_MAX = 16,
  TP_V8_VERSION_VIEW_FLAGS = 14,  /* the first in which a view has flags */
  TP_V8_VERSION_LARGE_SIZES = 16, /* the first in which sizes of buffers may pass 32 bits */
  TP_V8_VERSION_WRITTEN = 15      /* the newest that all of today's runtimes read */
};

enum {
  TP_V8_VERSION = 0xFF,
  TP_V8_PADDING = 0,
  TP_V8_UNDEFINED = '_',
  TP_V8_NULL = '0',
  TP_V8_TRUE = 'T',
  TP_V8_FALSE = 'F',
  TP_V8_INT32 = 'I',
  TP_V8_UINT32 = 'U',
  TP_V8_DOUBLE = 'N',
  TP_V8_BIGINT = 'Z',
  TP_V8_LATIN1 = '"',
  TP_V8_UTF16 = 'c',
  TP_V8_UTF8 = 'S',
  TP_V8_DATE = 'D',
  TP_V8_TRUE_OBJECT = 'y',
  TP_V8_FALSE_OBJECT = 'x',
  TP_V8_NUMBER_OBJECT = 'n',
  TP_V8_BIGINT_OBJECT = 'z',
  TP_V8_STRING_OBJECT = 's',
  TP_V8_REGEXP = 'R',
  TP_V8_OBJECT = 'o',
  TP_V8_OBJECT_END = '{',
  TP_V8_DENSE_ARRAY = 'A',
  TP_V8_DENSE_ARRAY_END = '$',
  TP_V8_HOLE = '-',
  TP_V8_SPARSE_ARRAY = 'a',
  TP_V8_SPARSE_ARRAY_END = '@',
  TP_V8_MAP = ';',
  TP_V8_MAP_END = ':',
  TP_V8_SET = '\'',
  TP_V8_SET_END = ',',
  TP_V8_BUFFER = 'B',
  TP_V8_RESIZABLE_BUFFER = '~',
  TP_V8_VIEW = 'V',
  TP_V8_ERROR = 'r',
  TP_V8_REFERENCE = '^',
  TP_V8_HOST_OBJECT = '\\'
};

/* Inside an error. The prototypes are the letters of tuplet_error_type. */
enum { TP_V8_ERROR_MESSAGE = 'm', TP_V8_ERROR_CAUSE = 'c', TP_V8_ERROR_STACK = 's', TP_V8_ERROR_END = '.' };

/* Bits of a view's flags. */
enum { TP_V8_VIEW_LENGTH_TRACKING = 1, TP_V8_VIEW_RESIZABLE = 2 };

#endif
