import { asProblem } from "../api/problem";

export interface Toast {
  id: number;
  kind: "done" | "failed";
  title: string;
  detail?: string;
  requestId?: string;
  action?: { label: string; run: () => void };
}

class Toasts {
  list = $state<Toast[]>([]);
  #last = 0;

  done(title: string, action?: Toast["action"]): void {
    this.#show({ id: ++this.#last, kind: "done", title, action }, 5000);
  }

  failed(cause: unknown): void {
    const problem = asProblem(cause);
    this.#show({ id: ++this.#last, kind: "failed", title: problem.title, detail: problem.detail, requestId: problem.requestId }, 0);
  }

  dismiss(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }

  /** Failures stay until they are read: they carry the request id. */
  #show(toast: Toast, life: number): void {
    this.list = [...this.list.slice(-3), toast];
    if (life > 0) setTimeout(() => this.dismiss(toast.id), life);
  }
}

export const toasts = new Toasts();
