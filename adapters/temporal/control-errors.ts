import {
  isGrpcServiceError,
  ServiceError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import {
  ControlRefusedError,
  ControlUnavailableError,
  IngestionNotRunningError,
} from '../../workflows/control-port.ts';

/** gRPC's status codes by number, those that we tell apart or show. */
const GRPC = {
  3: 'INVALID_ARGUMENT',
  4: 'DEADLINE_EXCEEDED',
  7: 'PERMISSION_DENIED',
  14: 'UNAVAILABLE',
  16: 'UNAUTHENTICATED',
};

/** Turns what the client throws into the errors of the control port. */
export function toControlError(error: unknown, consumerGroup: string): Error {
  if (error instanceof WorkflowNotFoundError) {
    return new IngestionNotRunningError(consumerGroup);
  }
  if (error instanceof WorkflowUpdateFailedError) {
    return new ControlRefusedError(rootMessage(error));
  }
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError) {
    return new ControlUnavailableError('no worker answered in time: the request may still take effect, see the status');
  }
  if (error instanceof ServiceError || isGrpcServiceError(error)) {
    return new ControlUnavailableError(`Temporal can't be asked (${grpcCode(error)})`, { cause: error });
  }
  return error instanceof Error ? error : new Error('the Temporal client threw something that is no error');
}

/** Temporal does not know one of our search attributes. */
export function isUnknownSearchAttribute(error: unknown): boolean {
  return grpcCode(error) === 'INVALID_ARGUMENT' && /search ?attribute/iu.test(rootMessage(error));
}

/** For example `UNAVAILABLE`. */
export function grpcCode(error: unknown): string {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (isGrpcServiceError(at)) {
      return GRPC[at.code as keyof typeof GRPC] ?? `gRPC status ${at.code}`;
    }
  }
  return 'no answer';
}

function rootMessage(error: unknown): string {
  let at = error;
  while (at instanceof Error && at.cause instanceof Error) {
    at = at.cause;
  }
  return at instanceof Error ? at.message : 'unknown';
}
