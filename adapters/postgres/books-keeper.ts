import type { CommonQueryMethods } from 'slonik';
import type { BooksKeeper } from '../../activities/books-ports.ts';
import { foldChain, noteIncidents } from './keep-books.ts';
import { checkBooks } from './weigh-books.ts';

export function createBooksKeeper(connection: CommonQueryMethods): BooksKeeper {
  return {
    check: () => checkBooks(connection),
    fold: (before, maxRows) => foldChain(connection, before, maxRows),
    note: (found) => noteIncidents(connection, found),
  };
}
