/* The Roman numeral of a number from 1 to 3999; an empty string for any other. It is overwritten by the next call. */
const char *numeral(int number);
